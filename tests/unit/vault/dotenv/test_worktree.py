"""Files with secrets in and beside work trees of git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from vault.dotenv import parse
from vault.dotenv.worktree import check_ignored, find_committed


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


def test_repository_that_git_cannot_read_is_named_with_the_reason(repository: Path) -> None:
    linked = repository.parent / "app"
    (linked / ".git").write_text(f"gitdir: {repository}/gone\n")  # as of a removed main work tree
    (linked / ".gitignore").write_text(".env.old\n")
    with pytest.raises(ConfigurationError) as caught:
        check_ignored(linked / ".env.old")
    assert str(caught.value) == (
        f"{linked}/.env.old would contain secrets, and git cannot tell whether it ignores the "
        f"file: not a git repository: {repository}/gone; correct what git says, or choose another "
        "folder"
    )


def test_file_in_a_work_tree_is_refused_without_git(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(
        ConfigurationError, match="ignores the file: git: No such file or directory"
    ):
        check_ignored(repository / ".env")


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    command = ["git", "-C", str(folder), *identity, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def commit(path: Path, content: str | None) -> None:
    """Commit *path* with this content, or without it if that is None."""
    if content is None:
        git(path.parent, "rm", "--quiet", "--force", path.name)
    else:
        path.write_text(content)
        git(path.parent, "add", "--force", path.name)
    git(path.parent, "commit", "--quiet", "--message", "a change")


def committed(path: Path, content: str) -> list[str]:
    """Return what is found for a file with this content, of which each variable is a secret."""
    path.write_text(content)
    file = parse.read(path)
    return list(find_committed(file, list(file.variables)))


def test_value_in_any_commit_is_found_although_the_file_was_removed(repository: Path) -> None:
    path = repository / ".env"
    commit(path, "export API_KEY='invented-1'\nAPI_KEY=later\nTOKEN=before\n")
    commit(path, "TOKEN=invented-2\n")
    commit(path, None)
    (note,) = committed(path, 'API_KEY="invented-1"\nTOKEN=invented-2\n')
    assert note == (
        f"commits of {path} have the values of API_KEY, TOKEN, and every clone keeps them; "
        "rotate these secrets"
    )


def test_value_on_another_branch_and_of_a_reference_is_found(repository: Path) -> None:
    path = repository / ".env"
    content = "API_KEY=invented-1\nURL=https://x/${API_KEY}\n"
    git(repository, "checkout", "--quiet", "-b", "old")
    commit(path, content)
    git(repository, "checkout", "--quiet", "--orphan", "new")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "first")
    assert "API_KEY, URL," in "".join(committed(path, content))


@pytest.mark.parametrize(
    "content", [None, "TOKEN=before\n", "TOKEN=\n", "OTHER=invented\n", "# TOKEN=\n"]
)
def test_value_that_was_never_committed_is_not_found(repository: Path, content: str | None) -> None:
    path = repository / ".env"
    if content is not None:
        commit(path, content)
    (repository / "other.env").write_text("TOKEN=invented\n")
    commit(repository / "other.env", "TOKEN=invented\n")
    assert committed(path, "TOKEN=invented\nEMPTY=\n") == []


def test_file_in_no_work_tree_or_without_git_has_no_commits(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert committed(repository.parent / "app" / ".env", "TOKEN=invented\n") == []
    commit(repository / ".env", "TOKEN=invented\n")
    monkeypatch.setenv("PATH", str(repository))
    assert committed(repository / ".env", "TOKEN=invented\n") == []
