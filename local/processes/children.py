"""Background processes that this Python process started, its children."""

from __future__ import annotations

import atexit
import subprocess

#: Children by pid. They are referenced here because they must be reaped, and because Python warns
#: when a Popen is deleted while its process runs.
_children: dict[int, subprocess.Popen[bytes]] = {}


def keep(child: subprocess.Popen[bytes]) -> None:
    """Keep a reference to *child* until it is reaped."""
    _children[child.pid] = child


def reap(pid: int) -> None:
    """Reap the dead process *pid*, if it is a child of this process."""
    if child := _children.pop(pid, None):
        child.wait()


def _detach() -> None:
    """Mark running children as ended, otherwise Python would warn of each when it exits.

    They are meant to outlive this process.
    """
    for child in _children.values():
        if child.poll() is None:
            child.returncode = 0


atexit.register(_detach)
