"""Tests of the files of a folder of units."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.supervisor.unit_file import MAX_SIZE, UnitFile, find_unit_files
from app_integration.errors import ConfigurationError
from tests.support.processes.unit_files import write_unit


def test_only_run_json_of_visible_folders_is_found(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        write_unit(tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    assert list(find_unit_files(tmp_path)) == [tmp_path / n / "run.json" for n in ("a", "b")]


def test_missing_folder_has_no_units(tmp_path: Path) -> None:
    assert find_unit_files(tmp_path / "no") == {}


def test_folder_that_cannot_be_read_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        find_unit_files(tmp_path / "file")


def test_name_and_digest_are_those_of_the_version_read(tmp_path: Path) -> None:
    path = write_unit(tmp_path / "store")
    first = UnitFile.read(path)
    write_unit(tmp_path / "store", generation="g2")
    second = UnitFile.read(path)
    assert first.name == "store"
    assert first.digest != second.digest
    assert (first.parse().generation, second.parse().generation) == ("", "g2")


@pytest.mark.parametrize(
    ("content", "generation"),
    [
        (b'{"generation": "g1"}', "g1"),
        (b'{"generation": 5}', ""),
        (b'["generation"]', ""),
        (b"{}", ""),
        (b"{", ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_generation_of_an_invalid_file_is_found_if_it_has_one(
    tmp_path: Path, content: bytes, generation: str
) -> None:
    file = UnitFile(tmp_path / "run.json", content)
    assert file.generation == generation
    with pytest.raises(ConfigurationError):
        file.parse()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "cannot be read: No such file"),
        ("folder", "is not a regular file; replace it"),
        ("pipe", "is not a regular file; replace it"),
        ("large", f"has more than {MAX_SIZE} bytes; shorten it"),
    ],
)
def test_file_that_cannot_be_read_is_rejected(tmp_path: Path, kind: str, reason: str) -> None:
    path = tmp_path / "run.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "large":
        path.write_bytes(b" " * (MAX_SIZE + 1))
    with pytest.raises(ConfigurationError, match=f"run.json {reason}"):
        UnitFile.read(path).parse()
