"""SQLAlchemy engines for asyncio that connect with the current credentials of a provider.

They are apart from :mod:`.engine`, because ``sqlalchemy.ext.asyncio`` imports the ORM, which takes
0.1 s and 6 MiB of an application that has no use for it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool, Engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only, greenlet_spawn

from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.database.engine import (
    EngineEvents,
    RotatingQueuePool,
    url_without_credentials,
)
from app_integration.database.loop_task import LoopTask


class _AsyncRotatingQueuePool(RotatingQueuePool, AsyncAdaptedQueuePool):
    """Variant for asyncio of :class:`RotatingQueuePool`."""

    __module__ = RotatingQueuePool.__module__


class _AsyncEngineEvents(EngineEvents):
    """Event listeners of one asyncio engine."""

    def __init__(self, provider: CredentialProvider, engine: Engine) -> None:
        self._closing = LoopTask()
        super().__init__(provider, engine)

    def do_connect(self, dialect: Any, record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        """Open a connection with the current credentials without blocking the event loop."""
        self._closing.set_loop()

        async def open_(credentials: Credentials) -> Any:
            parameters = {**cparams, **credentials.parameters()}
            return await greenlet_spawn(dialect.connect, *cargs, **parameters)

        return self._record_user(record, await_only(self._provider.aconnect(open_)))

    def close_outdated(self) -> None:
        """Schedule the closing of outdated connections in the event loop that opened them.

        Does nothing if that loop no longer runs.
        """
        self._closing.start(partial(greenlet_spawn, super().close_outdated))


def async_leased_engine(provider: CredentialProvider, url: str, **options: Any) -> AsyncEngine:
    """Return an asyncio engine that connects with the current credentials of *provider*.

    Dispose of it in the event loop that it was used in.

    Args:
        provider: Provides username and password at each physical connect.
        url: Driver, host and database. A username or password in it is ignored.
        options: Passed to ``sqlalchemy.ext.asyncio.create_async_engine``.

    Raises:
        ConfigurationError: If *url* cannot be read. The message has nothing of it.

    """
    defaults = {"pool_pre_ping": True, "poolclass": _AsyncRotatingQueuePool}
    engine = create_async_engine(url_without_credentials(url), **{**defaults, **options})
    _AsyncEngineEvents(provider, engine.sync_engine)
    return engine
