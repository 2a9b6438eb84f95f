"""Secrets, leased database users, field encryption and delivered config for a Python service.

>>> from app_integration import get_secret, encrypt_field, decrypt_field
>>> get_secret("jwt-secret")                          # doctest: +SKIP
[REDACTED]
>>> token = encrypt_field("a@b.c", context={"user_id": 7})   # doctest: +SKIP
>>> decrypt_field(token, context={"user_id": 7})      # doctest: +SKIP
'a@b.c'

``docs/Env.md`` lists the variables with which a process finds its server and its identity.
:mod:`app_integration.errors` lists the errors.
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
from app_integration._api.files import decrypt_file, encrypt_file, open_encrypted
from app_integration._api.hvac import hvac_client
from app_integration._api.logs import encrypted_log_handler
from app_integration._api.secrets import (
    acurrent_and_previous,
    aget_secret,
    arequire,
    averification_keys,
    current_and_previous,
    get_secret,
    get_secret_info,
    on_change,
    require,
    verification_keys,
)
from app_integration._internal.extras import extra_named
from app_integration.default_client import get_default_client
from app_integration.secret import Secret

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
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
    "async_redis_client",
    "averification_keys",
    "blind_index",
    "close",
    "current_and_previous",
    "database_engine",
    "database_pool",
    "declare_index",
    "decrypt_field",
    "decrypt_file",
    "encrypt_field",
    "encrypt_file",
    "encrypted_log_handler",
    "errors",
    "field",
    "get_secret",
    "get_secret_info",
    "hvac_client",
    "load_config",
    "on_change",
    "open_encrypted",
    "redaction",
    "redis_client",
    "require",
    "transit",
    "use_data_keys",
    "use_index_keys",
    "verification_keys",
    "watch_config",
]

_Model = TypeVar("_Model", bound="Model")


def database_engine(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: str | Path | None = None,
    **options: Any,
) -> Engine:
    """Return a SQLAlchemy engine whose connections use leased database users.

    At most one of *role*, *secret* and *credentials* may be set; it selects the database user.

    Args:
        role: A named database role of the service, which leases users for this process; None for
            its default role.
        url: Driver, host and database, without credentials. None for those of *secret*, of the
            variable ``STRONGROOM_DATABASE_URL``, or else of the secret ``database-url``.
        secret: Name of a secret that is a URL, or with *url* a JSON object with ``username`` and
            ``password``, as RDS keeps it. Connections use the user in it; when its password
            changes, new connections use the new password.
        credentials: A file with ``username`` and ``password`` that the agent delivers. Connections
            use that user, whose lease belongs to the agent.
        options: Passed to ``sqlalchemy.create_engine``.

    Raises:
        ConfigurationError: If more than one of the three is set. Nothing was sent.
        AccessDenied: If the policy does not grant the secret, or it is absent. For a role this is
            raised by the first connection.

    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    engine: Engine = get_default_client().database("engine", url, options, **user)
    return engine


def async_database_engine(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: str | Path | None = None,
    **options: Any,
) -> AsyncEngine:
    """Return an asyncio SQLAlchemy engine whose connections use leased database users.

    Requests to the server do not block the event loop. Dispose of the engine in the loop that used
    it.

    *options* are passed to ``create_async_engine``. See :func:`database_engine` for the other
    arguments and the errors.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    engine: AsyncEngine = get_default_client().database("async engine", url, options, **user)
    return engine


def database_pool(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: str | Path | None = None,
    **options: Any,
) -> LeasedPool:
    """Return an open ``psycopg_pool.ConnectionPool`` whose connections use leased database users.

    A forked child must create a pool of its own.

    *options* are passed to ``ConnectionPool``. See :func:`database_engine` for the other
    arguments and the errors.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    pool: LeasedPool = get_default_client().database("pool", url, options, **user)
    return pool


def async_database_pool(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: str | Path | None = None,
    **options: Any,
) -> AsyncLeasedPool:
    """Return a ``psycopg_pool.AsyncConnectionPool`` whose connections use leased database users.

    It is not open yet: use ``async with``, or ``await pool.open()``.

    *options* are passed to ``AsyncConnectionPool``. See :func:`database_engine` for the other
    arguments and the errors.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    pool: AsyncLeasedPool = get_default_client().database("async pool", url, options, **user)
    return pool


def redis_client(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: str | Path | None = None,
    **options: Any,
) -> Redis:
    """Return a ``redis.Redis`` whose connections use leased Redis users.

    It repeats no command whose response was lost, unless *options* has a ``retry``: a repeated
    INCR may count twice.

    Args:
        role: A named Redis role of the service, which leases users for this process; None for its
            default role.
        url: Host and database, without credentials. None for those of *secret*, of the variable
            ``STRONGROOM_REDIS_URL``, or else of the secret ``redis-url``.
        secret: See :func:`database_engine`.
        credentials: See :func:`database_engine`.
        options: Passed to ``redis.ConnectionPool``.

    Raises:
        ConfigurationError: If more than one of the three is set. Nothing was sent.
        AccessDenied: If the policy does not grant the secret, or it is absent. For a role this is
            raised by the first command.

    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    client: Redis = get_default_client().database("redis", url, options, **user)
    return client


def async_redis_client(
    role: str | None = None,
    *,
    url: str | None = None,
    secret: str | None = None,
    credentials: str | Path | None = None,
    **options: Any,
) -> AsyncRedis:
    """Return a ``redis.asyncio.Redis`` whose connections use leased Redis users.

    Requests to the server do not block the event loop. Close it with ``aclose`` in the loop that
    used it.

    *options* are passed to ``redis.asyncio.ConnectionPool``. See :func:`redis_client` for the other
    arguments and the errors.
    """
    user = {"role": role, "secret": secret, "credentials": credentials}
    client: AsyncRedis = get_default_client().database("async redis", url, options, **user)
    return client


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
        from app_integration.config import loader

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
        from app_integration.config import watcher

    return watcher.watch_config(model, path, on_change)


def close() -> None:
    """Revoke leases and token, and close all connections. It may be called more than once.

    The next use opens them again, also the next use of an engine, pool or client that was created
    before, and callbacks stay registered. The process closes them at its end.
    """
    default_client.close()
