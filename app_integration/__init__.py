"""Secrets, leased database users, field encryption and delivered config for a Python service.

>>> from app_integration import get_secret, encrypt_field, decrypt_field
>>> get_secret("jwt-secret")                          # doctest: +SKIP
[REDACTED]
>>> token = encrypt_field("a@b.c", context={"user_id": 7})   # doctest: +SKIP
>>> decrypt_field(token, context={"user_id": 7})      # doctest: +SKIP
'a@b.c'

Where the process finds its server and identity: ``docs/Env.md``. What can go wrong:
:mod:`app_integration.errors`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app_integration import default_client, errors, redaction
from app_integration._api.encryption import (
    adecrypt_field,
    aencrypt_field,
    blind_index,
    declare_index,
    decrypt_field,
    encrypt_field,
    field,
    transit,
    use_data_keys,
    use_index_keys,
)
from app_integration._api.secrets import (
    acurrent_and_previous,
    aget_secret,
    arequire,
    current_and_previous,
    get_secret,
    get_secret_info,
    on_change,
    require,
)
from app_integration.default_client import get_default_client
from app_integration.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app_integration.config.loader import Model
    from app_integration.config.watcher import WatchedConfig
    from app_integration.database import AsyncLeasedPool, LeasedPool

__all__ = [
    "Secret",
    "acurrent_and_previous",
    "adecrypt_field",
    "aencrypt_field",
    "aget_secret",
    "arequire",
    "async_database_engine",
    "async_database_pool",
    "blind_index",
    "close",
    "current_and_previous",
    "database_engine",
    "database_pool",
    "declare_index",
    "decrypt_field",
    "encrypt_field",
    "errors",
    "field",
    "get_secret",
    "get_secret_info",
    "load_config",
    "on_change",
    "redaction",
    "require",
    "transit",
    "use_data_keys",
    "use_index_keys",
    "watch_config",
]

_Model = TypeVar("_Model", bound="Model")


def database_engine(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    **options: Any,
) -> Engine:
    """A SQLAlchemy engine whose connections use leased users.

    At most one of *role*, *secret* and *credentials* says whose connections they are.

    Args:
        role: a named database role of the service, which leases users for this process; None for
            its default one.
        url: driver, host and database, without credentials. By default those of *secret*, or else
            of the secret ``database-url``.
        secret: name of a secret that is a URL: connect as the user in it, and follow its password.
        credentials: a file with ``username`` and ``password`` that the agent delivers: connect as
            that user, whose lease is the agent's.
        options: passed to ``sqlalchemy.create_engine``.

    Raises:
        ConfigurationError: more than one of them is given; nothing was sent.
        AccessDenied: the secret isn't granted, or is absent. A role that isn't granted is told at
            the first connection.

    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    engine: Engine = get_default_client().database("engine", url, options, **user)
    return engine


def async_database_engine(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    **options: Any,
) -> AsyncEngine:
    """As :func:`database_engine`, for asyncio: the server is asked without holding up the loop.

    *options* go to ``create_async_engine``. Dispose of it in the loop that it was used in.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    engine: AsyncEngine = get_default_client().database("async engine", url, options, **user)
    return engine


def database_pool(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    **options: Any,
) -> LeasedPool:
    """As :func:`database_engine`, a ``psycopg_pool.ConnectionPool``; it is opened.

    *options* go to ``ConnectionPool``. A child of a fork makes one of its own.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    pool: LeasedPool = get_default_client().database("pool", url, options, **user)
    return pool


def async_database_pool(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: Path | None = None,
    **options: Any,
) -> AsyncLeasedPool:
    """As :func:`database_pool`, for asyncio; open it by ``async with`` or ``await pool.open()``."""
    user = {"role": role, "secret": secret, "credentials": credentials}
    pool: AsyncLeasedPool = get_default_client().database("async pool", url, options, **user)
    return pool


def load_config(model: type[_Model], path: Path | None = None) -> _Model:
    """The delivered config file, validated by the pydantic *model*.

    Args:
        model: a pydantic model class.
        path: the file; by default the one that ``STRONGROOM_CONFIG`` names.

    Raises:
        ConfigRejected: missing, half-written, wrong mode or owner, or not valid.

    """
    from app_integration.config import loader

    return loader.load_config(model, path)


def watch_config(
    model: type[_Model],
    path: Path | None = None,
    on_change: Callable[[frozenset[str]], None] | None = None,
) -> WatchedConfig[_Model]:
    """The delivered config, followed from now on; ``current()`` gives what is in effect.

    Args:
        model: a pydantic model class.
        path: the file; by default the one that ``STRONGROOM_CONFIG`` names.
        on_change: called with the dotted names of the fields that changed.

    Raises:
        ConfigRejected: as :func:`load_config`. A bad file that comes later changes nothing.

    """
    from app_integration.config import watcher

    return watcher.watch_config(model, path, on_change)


def close() -> None:
    """Give back leases and token, and close connections. Safe to call more than once."""
    default_client.close()
