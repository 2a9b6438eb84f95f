"""Config models that the containers' image contains."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.unchecked_model import NAME

if TYPE_CHECKING:
    from vault.declare.declaration import Declaration

#: Note on a service whose model is not in the image.
FORMAT_ONLY: Final = (
    "only its format is checked, because the containers' image does not contain its model; see "
    "the repository's Dockerfile"
)


def replace_missing(
    declaration: Declaration, paths: Sequence[str] | None = None
) -> tuple[Declaration, tuple[str, ...]]:
    """Return *declaration* with a model that accepts everything where the image lacks the model.

    The second result is the services whose model was replaced.
    """
    missing = tuple(
        name
        for name, service in declaration.services.items()
        if service.config and not has_module(service.config.model.partition(":")[0], paths)
    )
    return declaration.with_config(missing, {"model": NAME}), missing


def has_module(name: str, paths: Sequence[str] | None = None) -> bool:
    """Return whether there is a module *name*. Nothing is imported, also no parent package."""
    found: Sequence[str] | None = sys.path if paths is None else paths
    for part in name.split("."):
        # Only the last part, because a parent of the whole name would have to be imported.
        spec = PathFinder.find_spec(part, found) if found is not None else None
        if spec is None:
            return False
        locations = spec.submodule_search_locations
        found = None if locations is None else list(locations)
    return True


def read_services(file: Path) -> frozenset[str]:
    """Return the services in *file*, which the service ``apply`` has written for this machine."""
    try:
        return frozenset(file.read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return frozenset()
