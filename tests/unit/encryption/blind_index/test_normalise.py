"""Test the normalisers: equal things have one form, and different things keep two."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.encryption.blind_index.normalise import NORMALISERS, casefold

ASCII = [chr(code) for code in range(128)]
#: Lengths around the longest label of a domain, which is 63.
LABELS = ("", "a" * 63, "A" * 64)

CASES = {
    "exact": [
        (" Ada ", " Ada "),
        ("\uff21", "\uff21"),
    ],
    "casefold": [
        (" Ada ", "ada"),
        ("Straße", "strasse"),
        ("\uff21\uff24\uff21", "ada"),
        ("I\u0307", "i\u0307"),
        ("\u00a0Ada\u3000", "ada"),
        ("a\u0301 B", "á b"),
        ("\u00a8Ada", "\u0308ada"),
        ("\u037a", "\u03b9"),
        ("", ""),
    ],
    "email": [
        (" Ada.L+shop@Example.COM ", "ada.l+shop@example.com"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("a@b@BÜCHER.example", "a@b@xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("Ü@example.com", "ü@example.com"),
        ("a@ü..C", "a@ü..c"),
        ("@", "@"),
        ("", ""),
    ],
    "digits": [
        ("+81 3-1234 (5678)", "+81312345678"),
        ("0081 3 1234 5678", "+81312345678"),
        (" (00) 81", "+81"),
        (" +81", "+81"),
        ("030 1234", "0301234"),
        ("1 00", "100"),
        ("+0049", "+0049"),
        ("0+49", "049"),
        ("\uff0b\u0968", "+2"),
        ("none", ""),
        ("00", "+"),
        ("", ""),
    ],
}


@pytest.mark.parametrize(
    ("by", "text", "normal"),
    [(by, text, normal) for by, pairs in CASES.items() for text, normal in pairs],
    ids=[f"{by}-{at}" for by, pairs in CASES.items() for at in range(len(pairs))],
)
def test_normaliser_returns_the_normal_form(by: str, text: str, normal: str) -> None:
    assert NORMALISERS[by](text) == normal
    assert NORMALISERS[by](normal) == normal


def email_on_slow_path(text: str) -> str:
    """Return the form of an address as ``docs/encryption-format.md`` describes it."""
    local, at, domain = casefold(text).rpartition("@")
    try:
        return local + at + domain.encode("idna").decode("ascii")
    except UnicodeError:
        return local + at + domain


def test_ascii_email_has_the_form_of_the_slow_path_for_each_character() -> None:
    email = NORMALISERS["email"]
    shapes = ("{0}", "{0}ada@x.de", "ada@x.de{0}", "a{0}b@x.de", "ada@x{0}y.de", "{0}{0}@{0}")
    for character, shape in product(ASCII, shapes):
        text = shape.format(character)
        assert email(text) == email_on_slow_path(text)
    for one, other in product(ASCII, ASCII):
        assert email(one + other) == email_on_slow_path(one + other)


def test_ascii_domain_that_idna_rejects_has_the_form_of_the_slow_path() -> None:
    for labels in product(LABELS, repeat=3):
        text = f"ADA@{'.'.join(labels)}"
        assert NORMALISERS["email"](text) == email_on_slow_path(text)


@given(st.text(st.characters(max_codepoint=127)) | st.text())
def test_email_has_the_form_of_the_slow_path(text: str) -> None:
    assert NORMALISERS["email"](text) == email_on_slow_path(text)
