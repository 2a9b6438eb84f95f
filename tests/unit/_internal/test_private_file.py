"""Files replaced in one step, the lock of a path, and what tells a file's states apart."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app_integration._internal.private_file import lock, replace_file, stamp


def test_replace_file_sets_the_mode_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"one", mode=0o640)
    replace_file(path, b"two", mode=0o644)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["lock", "folder"])
def test_lock_held_refuses_who_does_not_wait(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with lock(path), pytest.raises(BlockingIOError), lock(path, wait=False):
        pass
    with lock(path, wait=False):
        assert path.exists()


def test_lock_made_is_private(tmp_path: Path) -> None:
    with lock(tmp_path / "lock"):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_stamp_differs_after_a_replacement_and_is_none_without_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert stamp(path) is None
    replace_file(path, b"same", mode=0o600)
    first = stamp(path)
    assert stamp(path) == first
    replace_file(path, b"same", mode=0o600)
    assert stamp(path) != first
