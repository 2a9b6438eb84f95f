"""Files with secrets in git: which ones it may commit, and which values it has committed."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from app_integration.errors import ConfigurationError
from vault.dotenv.parse import DotenvFile

#: Every version of a file, on all branches: lines ``:mode mode before after status<TAB>name``.
_LOG: Final = ("log", "--all", "-m", "--raw", "--no-abbrev", "--no-renames", "--format=")
#: Exit codes of ``git check-ignore`` for an ignored file and for another.
_ANSWERS: Final = {0, 1}
#: Time for one request to git, in seconds. The history of a file of many years takes long.
_TIMEOUT: Final = 30.0


def check_ignored(path: Path) -> None:
    """Check that git ignores *path*, or that it is in no work tree."""
    # Resolved, because ".." and links lead into and out of work trees. A link at the end is not
    # followed: git stores that itself.
    path = path.parent.resolve() / path.name
    inside = any((folder / ".git").exists() for folder in path.parents)
    if inside and not _is_ignored(path):
        raise ConfigurationError(
            f"{path} would contain secrets where git may commit them; "
            f"add {path.name} to {path.parent / '.gitignore'}"
        )


def _is_ignored(path: Path) -> bool:
    """Return whether git ignores *path*."""
    command = ["git", "-C", str(path.parent), "check-ignore", "--quiet", "--", path.name]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        reason = f"git: {error.strerror}"
    else:
        if done.returncode in _ANSWERS:
            return done.returncode == 0
        reason = done.stderr.partition("\n")[0].removeprefix("fatal: ")
    raise ConfigurationError(
        f"{path} would contain secrets, and git cannot tell whether it ignores the file: {reason}; "
        "correct what git says, or choose another folder"
    )


def find_committed(file: DotenvFile, secrets: Collection[str]) -> Iterator[str]:
    """Return a remark if git has committed the current values of variables, without the values."""
    if not secrets:
        return
    path = file.path.parent.resolve() / file.path.name
    committed = {each for version in _versions(path) for each in _assignments(version)}
    current = dict(_assignments(file.content))
    # A value with references was committed if its text was, and that of each that it uses.
    texts = {
        name: {(each, current[each]) for each in (name, *file.variables[name].uses)}
        for name in secrets
        if current[name]
    }
    found = [name for name, each in texts.items() if each <= committed]
    if found:
        yield (
            f"commits of {file.path} have the values of {', '.join(found)}, and every clone keeps "
            "them; rotate these secrets"
        )


def _assignments(content: bytes) -> Iterator[tuple[str, str]]:
    """Return each variable with the text of its value, before references are expanded."""
    statements = parse_stream(io.StringIO(content.decode(errors="replace"), newline=None))
    return ((each.key, each.value or "") for each in statements if each.key)


def _versions(path: Path) -> Iterator[bytes]:
    """Return the content of each committed version of the file at *path*."""
    lines = _git(path, *_LOG, "--", path.name).decode(errors="replace").splitlines()
    objects = dict.fromkeys(each for line in lines for each in line.split()[2:4])
    for name in objects:
        yield _git(path, "cat-file", "blob", name)  # empty for the zeros of an absent file


def _git(path: Path, *arguments: str) -> bytes:
    """Return the output of git in the folder of *path*; nothing if it fails."""
    command = ["git", "--literal-pathspecs", "-C", str(path.parent), *arguments]
    try:
        result = subprocess.run(command, check=False, capture_output=True, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return result.stdout
