"""Errors of packages that only an extra of the SDK installs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Module → the extra that installs it.
_EXTRAS: Final = {
    "psycopg": "database",
    "psycopg_pool": "database",
    "redis": "redis",
    "sqlalchemy": "database",
    "watchfiles": "config",
    "yaml": "config",
}


@contextmanager
def extra_named() -> Iterator[None]:
    """Name the extra to install in the error of an import that the block needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "")
        if extra is None:
            raise
        message = f"{error.name} is not installed; install strongroom-sdk[{extra}]"
        raise ModuleNotFoundError(message, name=error.name) from None
