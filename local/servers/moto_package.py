"""The package moto, which is an extra and slow to import."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from app_integration.errors import ConfigurationError

#: The account of moto's objects, if no other is declared.
ACCOUNT: Final = "123456789012"


def require_moto() -> None:
    """Check that moto's server is installed, without importing it, which takes seconds."""
    if find_spec("moto") is None:
        raise ConfigurationError(
            "a local deployment on AWS runs on moto, which is not installed; install"
            " strongroom[moto]"
        )
