"""Private temporary folders, and what the next run removes."""

from __future__ import annotations

import os
from pathlib import Path

from backup.temporary_folder import remove_abandoned, temporary_folder


def remove(parent: Path, *owners: int) -> list[Path]:
    ended: list[Path] = []
    remove_abandoned(parent, "scratch-", owners or (os.geteuid(),), ended.append)
    return ended


def test_folder_is_private_and_removed_at_the_end(tmp_path: Path) -> None:
    with temporary_folder(tmp_path, "scratch-") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert not list(tmp_path.iterdir())


def test_folder_in_use_stays(tmp_path: Path) -> None:
    with temporary_folder(tmp_path, "scratch-") as folder:
        assert remove(tmp_path) == []
        assert folder.exists()


def test_abandoned_folder_is_removed_after_its_processes_were_ended(tmp_path: Path) -> None:
    abandoned = tmp_path / "scratch-1"
    (abandoned / "data").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    assert remove(tmp_path) == [abandoned]
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_folder_of_another_user_and_a_link_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "scratch-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "scratch-1").mkdir()
    assert remove(tmp_path, os.geteuid() + 1) == []
    assert remove(tmp_path) == [tmp_path / "scratch-1"]
    assert (tmp_path / "elsewhere").exists()
