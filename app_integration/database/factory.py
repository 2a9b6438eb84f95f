"""The engines and pools of one application, and whom they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app_integration.database.credentials import CredentialProvider
from app_integration.database.external_credentials import in_file, in_secret
from app_integration.database.leased_credentials import LeasedCredentials
from app_integration.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app_integration.database.pool import AsyncLeasedPool, LeasedPool
    from app_integration.session.session import Session
    from app_integration.settings import Settings

#: What closes them at the end. Those of asyncio are closed in their own loop, by their owner.
_CLOSE: Final = {"engine": "dispose", "pool": "close"}
#: Holds driver, host and database when nothing else is named.
_ADDRESS: Final = "database-url"


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """Whose connections an engine or pool makes: by default those of the service's default role.

    Attributes:
        role: a named database role of the service, which leases users.
        secret: name of a secret that is a URL with a user and a password.
        credentials: a file that the agent delivers.

    """

    role: str | None = None
    secret: str | None = None
    credentials: Path | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("role", "secret", "credentials") if getattr(self, name)]
        if len(given) > 1:
            raise ConfigurationError(f"database connections take one of {' and '.join(given)}")


class DatabaseFactory:
    """Makes the engines and pools of one application. Thread-safe."""

    def __init__(
        self,
        session: Callable[[], Session],
        secret: Callable[[str, bool], Any],
        settings: Settings,
        *,
        lock: Callable[[], AbstractContextManager[object]],
        at_close: ExitStack,
        clock: Callable[[], float],
    ) -> None:
        """Args: *session* gives the session that leases users, made at its first call.

        *secret* gives a secret by its name, from the server when its second argument is true.
        *lock* gives the lock of the moment, another one after a fork; it is held while credentials
        are made, of which there is one for each role. *at_close* is told what to close, after what
        it was made from. *clock* is in seconds, monotonic.
        """
        self._session = session
        self._secret = secret
        self._settings = settings
        self._lock = lock
        self._at_close = at_close
        self._clock = clock
        self._credentials: dict[CredentialSource, CredentialProvider] = {}

    def open(self, kind: str, url: str | None, options: Mapping[str, Any], **user: Any) -> Any:
        """A new engine or pool.

        Args:
            kind: one of :data:`KINDS`.
            url: driver, host and database; by default those of the user's secret, or of
                the secret ``database-url``.
            options: of the library that makes it.
            user: the fields of :class:`CredentialSource`.

        """
        source = CredentialSource(**user)
        credentials = self._shared(source)
        address = url or self._secret(source.secret or _ADDRESS, False)
        made = KINDS[kind](credentials, address, options)
        if kind in _CLOSE:
            self._at_close.callback(getattr(made, _CLOSE[kind]))
        return made

    def _shared(self, source: CredentialSource) -> CredentialProvider:
        """One lease for each role, whatever number of engines and pools use it."""
        with self._lock():
            if source not in self._credentials:
                self._credentials[source] = credentials = self._make(source)
                self._at_close.callback(credentials.close)
            return self._credentials[source]

    def _make(self, source: CredentialSource) -> CredentialProvider:
        if source.credentials is not None:
            return in_file(source.credentials)
        if source.secret is not None:
            return in_secret(partial(self._secret, source.secret), source.secret)
        return LeasedCredentials(
            self._session(),
            self._settings.scope.database_role(source.role),
            limits=self._settings.limits,
            clock=self._clock,
        )


# Who has a pool doesn't load SQLAlchemy, and the other way round.


def _engine(credentials: CredentialProvider, url: str, options: Mapping[str, Any]) -> Engine:
    from app_integration.database.engine import leased_engine

    return leased_engine(credentials, url, **options)


def _async_engine(
    credentials: CredentialProvider, url: str, options: Mapping[str, Any]
) -> AsyncEngine:
    from app_integration.database.engine import async_leased_engine

    return async_leased_engine(credentials, url, **options)


def _pool(credentials: CredentialProvider, url: str, options: Mapping[str, Any]) -> LeasedPool:
    from app_integration.database.pool import LeasedPool

    return LeasedPool(credentials, url, **options)


def _async_pool(
    credentials: CredentialProvider, url: str, options: Mapping[str, Any]
) -> AsyncLeasedPool:
    from app_integration.database.pool import AsyncLeasedPool

    return AsyncLeasedPool(credentials, url, **options)


#: What :meth:`DatabaseFactory.open` makes.
KINDS: Final[dict[str, Callable[[CredentialProvider, str, Mapping[str, Any]], Any]]] = {
    "engine": _engine,
    "async engine": _async_engine,
    "pool": _pool,
    "async pool": _async_pool,
}
