"""Version of the tool: with the recorded commit, that of a clone, or none."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from console.program_version import describe_version


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return the folder of a package in a clone with one commit."""
    package = tmp_path / "console"
    package.mkdir()
    (package / "cli.py").write_text("")
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)  # noqa: S607
    return package


def test_commit_of_a_clone_is_shown_and_changes_are_told(clone: Path) -> None:
    shown = re.compile(rf"{re.escape(version('strongroom'))} \(([0-9a-f]{{7}})(, changed)?\)")
    clean = shown.fullmatch(describe_version(clone))
    assert clean
    assert clean[2] is None
    (clone / "cli.py").write_text("changed")
    changed = shown.fullmatch(describe_version(clone))
    assert changed
    assert (changed[1], changed[2]) == (clean[1], ", changed")


def test_recorded_commit_is_shown_without_git(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert describe_version(clone) == version("strongroom")
    (clone / "commit").write_text("5c44f45")
    assert describe_version(clone) == f"{version('strongroom')} (5c44f45)"


def test_package_outside_of_a_clone_has_the_version_alone(tmp_path: Path) -> None:
    assert describe_version(tmp_path / "console") == version("strongroom")
