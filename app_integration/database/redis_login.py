"""Login of one Redis connection as a leased user, which ends when the connection is closed."""

from __future__ import annotations

from typing import Any

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

    redis-py reconnects the same connection object, so the object itself cannot be counted as a
    connection of one user.

    Attributes:
        username: The leased user.
        closed: Whether the connection has been closed since.

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
