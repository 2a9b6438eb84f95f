"""Redis connections that log in with the current credentials of a provider.

Each is a class of redis-py with another login. A connection whose user was replaced is replaced
when a pool hands it out, and never while a command is in progress.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from redis import Connection

from app_integration.database.credentials import Credentials
from app_integration.database.redis_login import LoggedInConnection, LoginCredentials

#: redis-py 5 has one method, which connects and logs in; later versions retry around a second one.
_LOGIN: Final = "connect_check_health" if hasattr(Connection, "connect_check_health") else "connect"


@cache
def leased_connection_class(base: type[Any]) -> type[Any]:
    """Return a subclass of *base* whose connections use leased users.

    Args:
        base: A connection class of redis-py, such as ``redis.SSLConnection``.

    """
    return type(f"Leased{base.__name__}", (_LeasedConnection, base), {})


@cache
def async_leased_connection_class(base: type[Any]) -> type[Any]:
    """Return a subclass of *base* whose connections use leased users.

    Args:
        base: A connection class of redis-py, such as ``redis.asyncio.SSLConnection``.

    """
    return type(f"Leased{base.__name__}", (_AsyncLeasedConnection, base), {})


class _LeasedConnection(LoggedInConnection):
    """Mixin of a connection class."""

    def connect(self) -> None:
        """Connect unless connected as the current user. Pools call this at each checkout."""
        if self.is_outdated():
            self.disconnect()
        if _LOGIN == "connect":
            self.connect_check_health()
        else:
            super().connect()  # type: ignore[misc] # the base class has it

    def connect_check_health(self, *args: Any, **options: Any) -> None:
        """Connect unless connected; when the server rejects the user, do so with another one."""
        if self._login is not None:
            return
        connect = getattr(super(), _LOGIN)

        def open_(credentials: Credentials) -> Any:
            self.credential_provider = LoginCredentials(credentials)
            connect(*args, **options)
            return self._begin_login(credentials.username)

        self._provider.connect(open_)

    def disconnect(self, *args: Any, **options: Any) -> None:
        """Close the connection. The lease of its user can be revoked then."""
        super().disconnect(*args, **options)  # type: ignore[misc]
        self._end_login()

    def can_read(self, *args: Any, **options: Any) -> bool:
        """Return whether a response is due; reconnect a subscribed connection of a replaced user.

        Subscriptions call this, or :meth:`connect`, before each read.
        """
        if self.is_outdated() and self._is_subscribed():
            self.connect()
        return bool(super().can_read(*args, **options))  # type: ignore[misc]


class _AsyncLeasedConnection(LoggedInConnection):
    """Variant for asyncio of :class:`_LeasedConnection`."""

    async def connect(self) -> None:
        """Connect unless connected as the current user. Pools call this at each checkout."""
        if self.is_outdated():
            await self.disconnect()
        if _LOGIN == "connect":
            await self.connect_check_health()
        else:
            await super().connect()  # type: ignore[misc]

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        """Connect unless connected; when the server rejects the user, do so with another one.

        The requests to the provider's server run in a thread.
        """
        if self._login is not None:
            return
        connect = getattr(super(), _LOGIN)

        async def open_(credentials: Credentials) -> Any:
            self.credential_provider = LoginCredentials(credentials)
            await connect(*args, **options)
            return self._begin_login(credentials.username)

        await self._provider.aconnect(open_)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a response; reconnect a subscribed connection of a replaced user first."""
        if self.is_outdated() and self._is_subscribed():
            await self.connect()
        return await super().read_response(*args, **options)  # type: ignore[misc]

    async def disconnect(self, *args: Any, **options: Any) -> None:
        """Close the connection. The lease of its user can be revoked then."""
        try:
            await super().disconnect(*args, **options)  # type: ignore[misc]
        finally:
            self._end_login()

    def _close(self) -> None:
        super()._close()  # type: ignore[misc]
        self._end_login()
