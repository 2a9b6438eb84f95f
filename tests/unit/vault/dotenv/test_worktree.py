"""Files with secrets in and beside work trees of git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from vault.dotenv.worktree import check_ignored


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository that ignores ``.env``, beside the folder ``app`` that is in none."""
    folder = tmp_path / "ops"
    (tmp_path / "app").mkdir()
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)  # noqa: S607
    (folder / ".gitignore").write_text(".env\n")
    return folder


def test_ignored_file_and_one_in_no_work_tree_are_accepted(repository: Path) -> None:
    check_ignored(repository / ".env")
    check_ignored(repository.parent / "app" / ".env.old")


def test_file_that_git_may_commit_is_refused(repository: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"add \.env\.old to .*/ops/\.gitignore"):
        check_ignored(repository / ".env.old")


def test_path_through_a_repository_and_out_of_it_is_in_no_work_tree(repository: Path) -> None:
    check_ignored(repository / ".." / "app" / ".env.old")


def test_link_into_a_repository_is_in_its_work_tree(repository: Path) -> None:
    link = repository.parent / "link"
    link.symlink_to(repository)
    with pytest.raises(ConfigurationError, match=r"to .*/ops/\.gitignore"):
        check_ignored(link / ".env.old")
