"""Modules that a new process of Python has loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT: Final = Path(__file__).parents[3]


def loaded_by(*modules: str, without: frozenset[str] = frozenset()) -> set[str]:
    """Return the names of all modules that a process has loaded after it imported *modules*."""
    missing = f"import sys; sys.modules.update(dict.fromkeys({sorted(without)}))"
    code = f"{missing}; import {', '.join(modules)}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=_ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


def not_installed_with(extra: str) -> frozenset[str]:
    """Return the top-level modules here that ``strongroom-sdk[EXTRA]`` alone does not install."""
    installed = _with_dependencies("strongroom-sdk", extra)
    return frozenset(
        module
        for module, names in metadata.packages_distributions().items()
        if installed.isdisjoint(map(canonicalize_name, names))
    )


def _with_dependencies(distribution: str, *extras: str) -> set[str]:
    """Return the names of a distribution and all those that it needs."""
    found: set[str] = set()
    pending = [(distribution, extra) for extra in ("", *extras)]
    for name, extra in pending:  # which grows meanwhile
        found.add(canonicalize_name(name))
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                pairs = [(needed.name, each) for each in ("", *needed.extras)]
                pending += [pair for pair in pairs if pair not in pending]
    return found
