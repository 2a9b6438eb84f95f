"""Values that count as equal, brought to one spelling before they are indexed.

Each normaliser gives the same text for the same thing, however it was typed. None fails on text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final, TypeAlias

Normaliser: TypeAlias = Callable[[str], str]


def exact(text: str) -> str:
    """*text* as it is."""
    return text


def casefold(text: str) -> str:
    """Without regard to case, compatibility forms, and space around it (Unicode 3.13, D146)."""
    folded = unicodedata.normalize("NFKC", text.strip()).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def email(text: str) -> str:
    """An e-mail address: case doesn't count, an internationalised domain is its ASCII form.

    RFC 5321 lets a host tell ``Ada@`` from ``ada@``; none that people use does. Dots and ``+tags``
    do count: whether they matter is the host's own affair.
    """
    local, at, domain = casefold(text).rpartition("@")
    try:
        return local + at + domain.encode("idna").decode("ascii")
    except UnicodeError:
        return local + at + domain


def digits(text: str) -> str:
    """A telephone number: its digits, with a ``+`` before them where it was written with one.

    ``00`` at the beginning counts as ``+``. Whether ``030 …`` and ``+49 30 …`` are one line can't
    be told without knowing the country, so they differ.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    found = "".join(str(unicodedata.digit(sign)) for sign in plain if sign.isdigit())
    if plain.startswith("+"):
        return f"+{found}"
    return f"+{found[2:]}" if found.startswith("00") else found


#: The normalisers by name, as a declaration writes them.
NORMALISERS: Final[dict[str, Normaliser]] = {
    "exact": exact,
    "casefold": casefold,
    "email": email,
    "digits": digits,
}
