"""Instructions for the function, in two tags of a secret, which ``strongroom apply`` sets.

They are tags and no file of the function, so that a change of the declaration needs no deployment,
``plan`` compares them, and the request that every step begins with returns them.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from aws.rotation.errors import RotationRefused

#: The tag that says how a secret is rotated, such as ``users shop_app_a shop_app_b``.
HOW_TAG: Final = "rotation"
#: The tag with the seconds that a version must have been current before the next rotation.
MIN_AGE_TAG: Final = "rotation_min_age"
#: The tag of a signing key, whose next value is announced; it says ``next``.
ANNOUNCED_TAG: Final = "rotation_announces"
#: Alphabet of a declaration → its characters, as :mod:`vault.declare.schema.secret_sources` has
#: them, which the function does not contain.
ALPHABETS: Final[Mapping[str, str]] = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "urlsafe": string.ascii_letters + string.digits + "-_",
}


@dataclass(frozen=True, slots=True)
class PairInstructions:
    """Rotation of a database URL between two users."""

    users: tuple[str, str]

    def __str__(self) -> str:
        return f"users {self.users[0]} {self.users[1]}"


@dataclass(frozen=True, slots=True)
class GeneratedInstructions:
    """Rotation of a random value with *length* characters of *alphabet*."""

    length: int
    alphabet: str

    def __str__(self) -> str:
        return f"generated {self.length} {self.alphabet}"


Instructions: TypeAlias = PairInstructions | GeneratedInstructions


def parse_instructions(tags: Mapping[str, str]) -> Instructions:
    """Return the instructions in the tags of a secret."""
    match tags.get(HOW_TAG, "").split():
        case ["users", first, second] if first != second:
            return PairInstructions((first, second))
        case ["generated", length, alphabet] if length.isdecimal() and alphabet in ALPHABETS:
            return GeneratedInstructions(int(length), alphabet)
    raise RotationRefused(
        f"the tag {HOW_TAG!r} does not say how the secret is rotated; run strongroom apply"
    )


def parse_min_age(tags: Mapping[str, str]) -> int:
    """Return the seconds that a version must have been current."""
    text = tags.get(MIN_AGE_TAG, "")
    if not text.isdecimal():
        raise RotationRefused(f"the tag {MIN_AGE_TAG!r} has no seconds; run strongroom apply")
    return int(text)
