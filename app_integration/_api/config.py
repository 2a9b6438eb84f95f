"""Public functions for the delivered config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app_integration._internal.extras import extra_named

if TYPE_CHECKING:
    from app_integration.config.loader import Model
    from app_integration.config.watcher import WatchedConfig

_Model = TypeVar("_Model", bound="Model")


def load_config(model: type[_Model], path: str | Path | None = None) -> _Model:
    """Return the delivered config, validated by *model*.

    Args:
        model: A pydantic model class.
        path: The file; None for the one that ``STRONGROOM_CONFIG`` names.

    Raises:
        ConfigRejected: If the file is missing, truncated, invalid, or has a wrong mode or owner.
        ConfigurationError: If neither *path* nor ``STRONGROOM_CONFIG`` is set.

    """
    with extra_named():
        from app_integration.config import loader  # noqa: PLC0415 (loads the extra)

    return loader.load_config(model, path)


def watch_config(
    model: type[_Model],
    path: str | Path | None = None,
    on_change: Callable[[frozenset[str]], None] | None = None,
) -> WatchedConfig[_Model]:
    """Load the delivered config and reload it each time its file is replaced.

    Args:
        model: A pydantic model class.
        path: The file; None for the one that ``STRONGROOM_CONFIG`` names.
        on_change: Called with the dotted names of the fields that changed.

    Returns:
        The config; its ``current()`` returns the model in effect.

    Raises:
        ConfigRejected: If the file is invalid now. Later an invalid file changes nothing.
        ConfigurationError: If neither *path* nor ``STRONGROOM_CONFIG`` is set, or *on_change* is no
            plain function.

    """
    with extra_named():
        from app_integration.config import watcher  # noqa: PLC0415 (loads the extra)

    return watcher.watch_config(model, path, on_change)
