"""Test the normalisers: equal things have one form, and different things keep two."""

from __future__ import annotations

import pytest

from app_integration.encryption.blind_index.normalise import NORMALISERS

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
