"""Counts in sentences."""

from __future__ import annotations

import pytest

from vault.declare import counts


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_only_one_is_singular(count: int, text: str) -> None:
    assert counts.render(count, "row") == text
