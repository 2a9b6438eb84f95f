"""Version of the tool, with the commit that it was built from."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
#: What ``make wheel`` adds to the package; no such file is in a clone.
_RECORDED: Final = "commit"


def describe_version(package: Path = _HERE) -> str:
    """Return the version, and the commit if it is known, such as ``0.1.0 (5c44f45, changed)``."""
    commit = _read_commit(package)
    return version("strongroom") + (f" ({commit})" if commit else "")


def _read_commit(package: Path) -> str:
    recorded = package / _RECORDED
    if recorded.exists():
        return recorded.read_text(encoding="utf-8").strip()
    if not (package.parent / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--exclude=*", "--abbrev=7", "--dirty=, changed"]
    try:
        done = subprocess.run(
            command, cwd=package.parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()
