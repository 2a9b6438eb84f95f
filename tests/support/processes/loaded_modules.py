"""Modules that a new process of Python has loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[3]


def loaded_by(*modules: str) -> set[str]:
    """Return the names of all modules that a process has loaded after it imported *modules*."""
    code = f"import {', '.join(modules)}, sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=_ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())
