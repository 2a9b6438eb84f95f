"""Differences of a restored copy, as an error."""

from __future__ import annotations

import pytest

from backup.errors import BackupFailed
from backup.restore import _check


def test_check_shows_the_first_five_differences() -> None:
    found = [f"table {number} has other content" for number in range(7)]
    with pytest.raises(BackupFailed) as caught:
        _check(found, "the restored copy differs", "look at that table")
    shown = "; ".join(found[:5])
    assert str(caught.value) == (
        f"the restored copy differs: {shown}; and 2 more; look at that table"
    )
