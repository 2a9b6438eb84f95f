"""Packages of the extra ``audit``, which are imported when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from app_integration.errors import ConfigurationError


def import_extra(name: str) -> Any:
    """Return the module *name*."""
    try:
        return import_module(name)
    except ImportError:
        raise ConfigurationError(
            f"{name} is not installed; install the tool with its extra: strongroom[audit]"
        ) from None
