"""Rotation of a generated secret: a new random value, with the old one as ``AWSPREVIOUS``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from app_integration.secret import Secret
from aws.rotation.errors import RotationRefused
from aws.rotation.instructions import ALPHABETS, GeneratedInstructions

#: Returns a number of random characters of an alphabet.
Generate: TypeAlias = Callable[[int, str], Secret]


def generate_value(length: int, characters: str) -> Secret:
    """Return *length* random characters of *characters*."""
    return Secret("".join(secrets.choice(characters) for _ in range(length)))


@dataclass(frozen=True, slots=True)
class GeneratedSecret:
    """The steps for one generated secret, which no other system has to accept."""

    instructions: GeneratedInstructions
    generate: Generate = generate_value

    def create(self, current: Secret) -> Secret:  # noqa: ARG002 (of the protocol)
        """Return a new value, as the declaration describes it."""
        return self.generate(self.instructions.length, ALPHABETS[self.instructions.alphabet])

    def check(self, pending: Secret, current: Secret) -> None:
        """Raise an error if *pending* is no new value."""
        if pending == current:
            raise RotationRefused("the new value is the old one; rotate the secret again")

    def set(
        self,
        pending: Secret,  # noqa: ARG002 (of the protocol)
        current: Secret,  # noqa: ARG002
        confirm: Callable[[], None],  # noqa: ARG002
    ) -> Mapping[str, int]:
        """Do nothing, because no other system has the value."""
        return {}

    def test(self, pending: Secret, current: Secret) -> None:  # noqa: ARG002 (of the protocol)
        """Raise an error if *pending* has another form than the declaration says."""
        length, alphabet = self.instructions.length, self.instructions.alphabet
        value = pending.reveal()
        if len(value) != length or not set(value) <= set(ALPHABETS[alphabet]):
            raise RotationRefused(
                f"the new value is not {length} characters of {alphabet}; build the function again"
            )
