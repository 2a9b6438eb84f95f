"""Check that git does not commit files with secrets."""

from __future__ import annotations

import subprocess
from pathlib import Path

from app_integration.errors import ConfigurationError


def check_ignored(path: Path) -> None:
    """Check that git ignores *path*, or that it is in no work tree.

    Raises:
        ConfigurationError: If *path* is in a work tree and not ignored there, or git fails.

    """
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
    command = ["git", "-C", str(path.parent), "check-ignore", "--quiet", "--", path.name]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False
