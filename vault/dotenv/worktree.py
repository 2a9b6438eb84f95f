"""Keeping files with secrets out of git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from app_integration.errors import ConfigurationError


def refuse_unless_ignored(path: Path) -> None:
    """Refuse a *path* that git would take into a commit.

    Raises:
        ConfigurationError: it lies in a work tree and isn't ignored there, or git can't tell.

    """
    path = path.absolute()
    inside = any((folder / ".git").exists() for folder in path.parents)
    if inside and not _ignored(path):
        raise ConfigurationError(
            f"{path} would hold secrets where git may commit them; "
            f"add {path.name} to {path.parent / '.gitignore'}"
        )


def _ignored(path: Path) -> bool:
    command = ["git", "-C", str(path.parent), "check-ignore", "--quiet", "--", path.name]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False
