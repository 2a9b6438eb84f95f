"""Public functions for the database and Redis, which use the process's default client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app_integration.default_client import get_default_client

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app_integration.database import AsyncLeasedPool, LeasedPool


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
    engine: Engine = get_default_client().databases.create("engine", url, options, **user)
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
    engine: AsyncEngine = get_default_client().databases.create(
        "async engine", url, options, **user
    )
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
    pool: LeasedPool = get_default_client().databases.create("pool", url, options, **user)
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
    pool: AsyncLeasedPool = get_default_client().databases.create(
        "async pool", url, options, **user
    )
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
    client: Redis = get_default_client().databases.create("redis", url, options, **user)
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
    client: AsyncRedis = get_default_client().databases.create("async redis", url, options, **user)
    return client
