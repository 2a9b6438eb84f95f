"""Sizes for people."""

from __future__ import annotations

import pytest

from vault.declare import sizes


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_size_is_for_people(count: int, text: str) -> None:
    assert sizes.render(count) == text
