"""Factory of an application's engines, pools and Redis clients, which share credentials by role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app_integration._internal.extras import extra_named
from app_integration._internal.server_urls import DATABASE_URL, REDIS_URL
from app_integration.database.credentials import CredentialProvider
from app_integration.database.external_credentials import (
    credentials_from_file,
    credentials_from_secret,
)
from app_integration.database.leased_credentials import LeasedCredentials
from app_integration.errors import AccessDenied, ConfigurationError, SecretNotFound
from app_integration.names import DEFAULT_ROLE
from app_integration.settings import MEMORY

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app_integration.database.pool import AsyncLeasedPool, LeasedPool
    from app_integration.database.redis_pool import LeasedRedisPool
    from app_integration.session.session import Session
    from app_integration.settings import Settings

#: Kind → the method that closes it, until its next use, when the client closes. The application
#: closes its asyncio engines and pools itself, because that must happen in their event loop.
_CLOSE_METHODS: Final = {"engine": "dispose", "pool": "dispose", "redis": "close"}
#: Backends that lease no users, with their names for messages.
UNLEASED: Final = {"aws": "AWS", MEMORY: f"SECRETS_BACKEND={MEMORY}"}
#: The secret with driver, host and database, unless the caller or a variable has them.
_DATABASE_SECRET: Final = "database-url"  # noqa: S105 (a name)
_REDIS_SECRET: Final = "redis-url"  # noqa: S105 (a name)
_REDIS_KINDS: Final = ("redis", "redis pool", "async redis")


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """Source of an engine's or pool's credentials; by default the service's default role.

    The value of *secret* has a username and a password; *credentials* is a file that the agent
    delivers.
    """

    is_redis: bool = False
    role: str | None = None
    secret: str | None = None
    credentials: str | Path | None = None

    def __post_init__(self) -> None:
        if self.role == DEFAULT_ROLE:
            object.__setattr__(self, "role", None)  # so that both share a lease
        if self.credentials is not None:
            object.__setattr__(self, "credentials", Path(self.credentials))  # also if it is text
        names = [name for name in ("role", "secret", "credentials") if getattr(self, name)]
        if len(names) > 1:
            raise ConfigurationError(
                f"connections take only one of {' and '.join(names)}; pass one of them"
            )

    @property
    def url_secret(self) -> str:
        """Return the name of the secret with the URL, unless the caller passes one."""
        return self.secret or (_REDIS_SECRET if self.is_redis else _DATABASE_SECRET)


class DatabaseFactory:
    """Factory of one application's engines and pools. Thread-safe."""

    def __init__(
        self,
        session: Callable[[], Session],
        secret: Callable[[str, bool], Any],
        settings: Settings,
        *,
        lock: Callable[[], AbstractContextManager[object]],
        closers: list[Callable[[], object]],
        clock: Callable[[], float],
    ) -> None:
        """Create the factory; nothing is requested yet.

        *secret* asks the server if its second argument is True, and *lock* returns another lock
        after a fork. The last of *closers* is called first, so that a pool closes before its
        credentials.
        """
        self._session = session
        self._secret = secret
        self._settings = settings
        self._lock = lock
        self._closers = closers
        self._clock = clock
        self._providers: dict[CredentialSource, CredentialProvider] = {}

    def create(self, kind: str, url: str | None, options: Mapping[str, Any], **source: Any) -> Any:
        """Return a new engine, pool or Redis client."""
        source["is_redis"] = kind in _REDIS_KINDS
        provider = self.find_provider(**source)
        where = url or self.find_url(**source)
        with extra_named():
            opened = BUILDERS[kind](provider, where, options)
        if kind in _CLOSE_METHODS:
            self._closers.append(getattr(opened, _CLOSE_METHODS[kind]))
        return opened

    def engine(self, role: str | None, url: str | None, **options: Any) -> Engine:
        """Return a new engine whose connections use leased users of *role*."""
        engine: Engine = self.create("engine", url, options, role=role)
        return engine

    def find_parameters(self, **source: Any) -> dict[str, Any]:
        """Return what the URL of the database says for libpq, without user and password."""
        from app_integration.database.endpoint import parse_url

        return parse_url(self.find_url(**source))

    def find_url(self, **names: Any) -> Any:
        """Return driver, host and database of connections whose caller passes no URL.

        They are in the secret that *names* name, in the address in the settings, or else in the
        secret ``database-url`` or ``redis-url``. Without leases that secret has the user, too.
        """
        source = CredentialSource(**names)
        has_secret = source.secret is not None or self._settings.backend in UNLEASED
        if not has_secret and (address := self._settings.address(is_redis=source.is_redis)):
            return address
        try:
            return self._secret(source.url_secret, False)
        except (AccessDenied, SecretNotFound) as error:
            if has_secret:
                raise
            variable = REDIS_URL if source.is_redis else DATABASE_URL
            key = "redis" if source.is_redis else "database"
            raise type(error)(
                f"{error}; or declare {key!r} in the service's file, so that the files that "
                f"strongroom writes set {variable}"
            ) from None

    def find_provider(self, **names: Any) -> CredentialProvider:
        """Return the one provider of a source: engines and pools of a role share its lease."""
        source = CredentialSource(**names)
        with self._lock():
            if source not in self._providers:
                self._providers[source] = provider = self._build_provider(source)
                self._closers.append(provider.close)
            return self._providers[source]

    def _build_provider(self, source: CredentialSource) -> CredentialProvider:
        if source.credentials is not None:
            return credentials_from_file(source.credentials)
        secret = source.secret
        if self._settings.backend in UNLEASED:
            secret = secret or self._unleased_secret(source)
        if secret is not None:
            return credentials_from_secret(partial(self._secret, secret), secret)
        scope = self._settings.scope
        return LeasedCredentials(
            self._session(),
            (scope.redis_role if source.is_redis else scope.database_role)(source.role),
            limits=self._settings.limits,
            clock=self._clock,
            mounts=self._settings.mounts,
        )

    def _unleased_secret(self, source: CredentialSource) -> str:
        """Return the secret with the only user of a backend that leases none."""
        if source.role is not None:
            backend = UNLEASED[self._settings.backend]
            kind = "Redis" if source.is_redis else "database"
            raise ConfigurationError(
                f"{kind} role {source.role!r}: {backend} leases no users; name a secret with a"
                " URL, with secret=, or leave both out"
            )
        return source.url_secret


# Imported in the functions, so that an application loads only the libraries that it uses.


def _engine(provider: CredentialProvider, url: str, options: Mapping[str, Any]) -> Engine:
    from app_integration.database.engine import leased_engine

    return leased_engine(provider, url, **options)


def _async_engine(
    provider: CredentialProvider, url: str, options: Mapping[str, Any]
) -> AsyncEngine:
    from app_integration.database.async_engine import async_leased_engine

    return async_leased_engine(provider, url, **options)


def _pool(provider: CredentialProvider, url: str, options: Mapping[str, Any]) -> LeasedPool:
    from app_integration.database.pool import LeasedPool

    return LeasedPool(provider, url, **options)


def _async_pool(
    provider: CredentialProvider, url: str, options: Mapping[str, Any]
) -> AsyncLeasedPool:
    from app_integration.database.pool import AsyncLeasedPool

    return AsyncLeasedPool(provider, url, **options)


def _redis(provider: CredentialProvider, url: str, options: Mapping[str, Any]) -> Redis:
    from redis import Redis

    return Redis.from_pool(_redis_pool(provider, url, options))


def _redis_pool(
    provider: CredentialProvider, url: str, options: Mapping[str, Any]
) -> LeasedRedisPool:
    from app_integration.database.redis_pool import LeasedRedisPool

    return LeasedRedisPool(provider, url, **options)


def _async_redis(provider: CredentialProvider, url: str, options: Mapping[str, Any]) -> AsyncRedis:
    from redis.asyncio import Redis as AsyncRedis

    from app_integration.database.redis_pool import AsyncLeasedRedisPool

    return AsyncRedis.from_pool(AsyncLeasedRedisPool(provider, url, **options))


#: Kind → the function that builds it, for :meth:`DatabaseFactory.create`.
BUILDERS: Final[dict[str, Callable[[CredentialProvider, str, Mapping[str, Any]], Any]]] = {
    "engine": _engine,
    "async engine": _async_engine,
    "pool": _pool,
    "async pool": _async_pool,
    "redis": _redis,
    "redis pool": _redis_pool,  # for adapters of other libraries, which close it
    "async redis": _async_redis,
}
