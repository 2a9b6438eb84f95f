"""Normalisers: functions that convert equal values to one form before they are indexed.

Each returns the same text for the same thing, however it was typed. None fails on any text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final, TypeAlias

Normaliser: TypeAlias = Callable[[str], str]


def exact(text: str) -> str:
    """Return *text* unchanged."""
    return text


def casefold(text: str) -> str:
    """Return *text* without differences in case, compatibility forms or surrounding space.

    This is the compatibility caseless match of Unicode 3.13, D146.
    """
    folded = unicodedata.normalize("NFKC", text.strip()).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def email(text: str) -> str:
    """Normalise an e-mail address: fold its case, and encode an internationalised domain in ASCII.

    RFC 5321 lets a host distinguish ``Ada@`` from ``ada@``, but no host in common use does. Dots
    and ``+tags`` are kept, because only the host knows whether they matter.
    """
    if text.isascii():
        # The same result, in a tenth of the time: only case and surrounding space differ in ASCII.
        return text.strip().lower()
    local, at, domain = casefold(text).rpartition("@")
    try:
        return local + at + domain.encode("idna").decode("ascii")
    except UnicodeError:
        return local + at + domain


def digits(text: str) -> str:
    """Normalise a telephone number to its digits, after a ``+`` if it was written with one.

    ``00`` at the beginning counts as ``+``. ``030 …`` and ``+49 30 …`` stay different, because they
    cannot be compared without knowing the country.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    found = "".join(str(unicodedata.digit(sign)) for sign in plain if sign.isdigit())
    if plain.startswith("+"):
        return f"+{found}"
    return f"+{found[2:]}" if found.startswith("00") else found


#: The normalisers by the names that declarations use.
NORMALISERS: Final[dict[str, Normaliser]] = {
    "exact": exact,
    "casefold": casefold,
    "email": email,
    "digits": digits,
}
