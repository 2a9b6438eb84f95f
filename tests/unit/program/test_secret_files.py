"""Private files of a program: those of another instance stay."""

from __future__ import annotations

from pathlib import Path

from app_integration.program.command import SecretFiles
from app_integration.secret import Secret


def files(path: Path, value: str) -> SecretFiles:
    made = SecretFiles({"key": path})
    made.write({"key": Secret(value)})
    return made


def test_files_are_replaced_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = files(path, "one")
    made.write({"key": Secret("two")})
    assert path.read_text() == "two"
    made.remove()
    assert list(tmp_path.iterdir()) == []
    made.remove()


def test_file_of_another_instance_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first, second = files(path, "one"), files(path, "two")
    second.write({"key": Secret("three")})  # could get the inode of the first one's file
    first.remove()
    assert path.read_text() == "three"
    second.remove()
    assert not path.exists()


def test_file_that_the_program_changed_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = files(path, "one")
    path.write_text("changed")
    path.chmod(0o644)
    made.remove()
    assert not path.exists()


def test_file_that_a_person_put_there_stays(tmp_path: Path) -> None:
    made = files(tmp_path / "key", "one")
    (tmp_path / "key").unlink()
    (tmp_path / "key").symlink_to("elsewhere")
    made.remove()
    assert (tmp_path / "key").is_symlink()
