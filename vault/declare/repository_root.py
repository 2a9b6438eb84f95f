"""Folder of the repository that a command runs in, by its file ``strongroom.yaml``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FILE: Final = "strongroom.yaml"


def find_root(start: Path) -> Path | None:
    """Return *start*, or the nearest folder above it, that contains ``strongroom.yaml``."""
    here = start.resolve()
    return next((each for each in (here, *here.parents) if (each / FILE).is_file()), None)


def find_own_root(start: Path) -> Path | None:
    """Return the result of :func:`find_root` if it belongs to this user, or to root, else None.

    Anybody may write ``strongroom.yaml`` into a folder such as ``/tmp``, which is above others'.
    """
    root = find_root(start)
    if root is None:
        return None
    owners = {path.stat().st_uid for path in (root, root / FILE)}
    return root if owners <= {0, os.geteuid()} else None
