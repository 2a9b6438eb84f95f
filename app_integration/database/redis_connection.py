"""Redis connections that log in with the current credentials of a provider.

Each is a class of redis-py with another login. A connection whose user was replaced is replaced
when a pool hands it out, and never while a command is in progress.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from redis import Connection
from redis import CredentialProvider as RedisCredentialProvider
from redis.asyncio.client import PubSub as AsyncPubSub
from redis.client import PubSub

from app_integration.database.credentials import CredentialProvider, Credentials


class LoginCredentials(RedisCredentialProvider):
    """Source of the username and password of one login, as redis-py requests them.

    redis-py would keep a password that it gets as an argument in plain text.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get_credentials(self) -> tuple[str, str]:
        """Return username and password, the latter in plain text."""
        return self._credentials.username, self._credentials.password.reveal()

    async def get_credentials_async(self) -> tuple[str, str]:
        """Return username and password without a request, so the event loop is not blocked."""
        return self.get_credentials()


class RedisLogin:
    """Login of one connection, from connect to disconnect.

    It is an object of its own, because redis-py reconnects the same connection object.
    """

    def __init__(self, username: str) -> None:
        self.username = username
        self.closed = False


class LoggedInConnection:
    """Part of a leased connection that needs no input or output, sync and async."""

    _login: RedisLogin | None = None
    _connect_callbacks: list[Any]

    def __init__(self, *args: Any, provider: CredentialProvider, **options: Any) -> None:
        self._provider = provider
        super().__init__(*args, **options)

    @property
    def login(self) -> RedisLogin | None:
        """Return the login of the open connection; another one after each reconnect."""
        return self._login

    def is_outdated(self) -> bool:
        """Return whether the connection is open as a user that is no longer current."""
        login = self._login
        return login is not None and not self._provider.is_current(login.username)

    def _is_subscribed(self) -> bool:
        """Return whether a ``PubSub`` uses the connection; it subscribes again on reconnect."""
        users = (getattr(ref(), "__self__", None) for ref in self._connect_callbacks)
        return any(isinstance(user, (PubSub, AsyncPubSub)) for user in users)

    def _begin_login(self, username: str) -> RedisLogin:
        self._login = login = RedisLogin(username)
        return login

    def _end_login(self) -> None:
        login, self._login = self._login, None
        if login is not None:
            login.closed = True


#: redis-py 5 has one method, which connects and logs in; later versions retry around a second one.
_LOGIN: Final = "connect_check_health" if hasattr(Connection, "connect_check_health") else "connect"


@cache
def leased_connection_class(base: type[Any]) -> type[Any]:
    """Return a subclass of *base* whose connections use leased users."""
    return type(f"Leased{base.__name__}", (_LeasedConnection, base), {})


@cache
def async_leased_connection_class(base: type[Any]) -> type[Any]:
    """Return a subclass of *base* whose connections use leased users."""
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
