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
        ConfigRejected: If the file is missing, too big, truncated, invalid, or has a wrong mode or
            owner; the reason names fields, never values.
        ConfigurationError: If neither *path* nor ``STRONGROOM_CONFIG`` is set, or
            ``STRONGROOM_READER_GROUP`` names no group of this machine.

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
        on_change: Called in the watching thread with the dotted names of the fields that changed,
            once they are in effect.

    Returns:
        The config; its ``current()`` returns the model in effect, and its ``close()`` stops the
        watch.

    Raises:
        ConfigRejected: If the file is invalid now. A later invalid file changes nothing; it is
            logged and kept in ``rejected``.
        ConfigurationError: If neither *path* nor ``STRONGROOM_CONFIG`` is set,
            ``STRONGROOM_READER_GROUP`` names no group of this machine, or *on_change* is no plain
            function.

    """
    with extra_named():
        from app_integration.config import watcher  # noqa: PLC0415 (loads the extra)

    return watcher.WatchedConfig(model, path, on_change)
