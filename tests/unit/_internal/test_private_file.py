"""Atomic replacement of files, the lock of a path, and file stamps."""

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


@pytest.mark.parametrize("folder", [False, True])
def test_lock_held_without_wait_raises(tmp_path: Path, folder: bool) -> None:
    path = tmp_path if folder else tmp_path / "lock"
    with lock(path, folder=folder):
        again = lock(path, folder=folder, wait=False)
        with pytest.raises(BlockingIOError), again:
            pass
    with lock(path, folder=folder, wait=False):
        assert path.exists()


def test_lock_of_missing_folder_creates_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), lock(tmp_path / "gone", folder=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_lock_file_created_is_private(tmp_path: Path) -> None:
    with lock(tmp_path / "lock"):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_stamp_changes_after_replacement_and_is_none_without_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert stamp(path) is None
    replace_file(path, b"same", mode=0o600)
    first = stamp(path)
    assert stamp(path) == first
    replace_file(path, b"same", mode=0o600)
    assert stamp(path) != first
