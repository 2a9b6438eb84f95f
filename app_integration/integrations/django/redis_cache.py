"""Cache backend of Django for Redis, whose connections use leased Redis users.

>>> CACHES = {                                                   # doctest: +SKIP
...     "default": {
...         "BACKEND": "app_integration.integrations.django.redis_cache.LeasedRedisCache",
...         "KEY_PREFIX": "orders",
...     }
... }
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.core.exceptions import ImproperlyConfigured
from redis import Redis

from app_integration import default_client
from app_integration.database.factory import CredentialSource
from app_integration.errors import ConfigurationError
from app_integration.integrations.django.credential_options import (
    SOURCE_OPTIONS,
    credential_source,
)
from app_integration.integrations.django.pools import PoolRegistry

if TYPE_CHECKING:
    from app_integration.database.redis_pool import LeasedRedisPool

#: Options that say who connects, or how, which the pool knows.
_REFUSED: Final = ("username", "password", "credential_provider", "pool_class")
_POOLS: Final = PoolRegistry()


class LeasedRedisCache(RedisCache):  # type: ignore[misc] # Django has no types
    """A cache of one thread or task. Those of a process share the connections."""

    def __init__(self, server: str | Sequence[str], params: dict[str, Any]) -> None:
        """Check the settings; nothing is requested yet.

        Args:
            server: ``LOCATION``: host and database of one Redis. The default is the URL in the
                secret that the options name, or else in ``redis-url``.
            params: The other settings of the cache. ``role``, ``secret`` or ``credentials`` in its
                ``OPTIONS`` selects the user; further ones are those of ``redis.ConnectionPool``.

        Raises:
            ImproperlyConfigured: If the settings contradict leased users.

        """
        super().__init__(server, params)
        _check_settings(self._servers, self._options)
        self._class = _LeasedCacheClient


class _LeasedCacheClient(RedisCacheClient):  # type: ignore[misc] # Django has no types
    """Client whose connections come from a pool of the process."""

    def __init__(self, servers: Sequence[str], **options: Any) -> None:
        self._user = credential_source(options)
        others = {name: options[name] for name in options if name not in SOURCE_OPTIONS}
        super().__init__(servers, **others)
        # Of a process's caches, those with the same settings are one in several threads.
        self._name = repr((*servers, *sorted(options.items())))

    def get_client(self, key: Any = None, *, write: bool = False) -> Redis:  # noqa: ARG002 (Django's)
        """Return a client on a pool of the current credentials."""
        client = default_client.get_default_client()
        url, options = self._servers[0] or None, self._pool_options
        build = partial(client.databases.create, "redis pool", url, options, **self._user)
        pool: LeasedRedisPool = _POOLS.get(self._name, client, build)
        return Redis(connection_pool=pool)


def _check_settings(servers: Sequence[str], options: dict[str, Any]) -> None:
    """Raise an error if settings contradict leased users. No message contains a value."""
    cache = "a LeasedRedisCache in CACHES"
    if refused := [f"OPTIONS[{name!r}]" for name in _REFUSED if name in options]:
        raise ImproperlyConfigured(
            f"{cache} sets {' and '.join(refused)}, but its users are leased; remove what is set"
        )
    if len(servers) > 1:
        raise ImproperlyConfigured(
            f"{cache} sets {len(servers)} servers as its LOCATION, but users are those of one "
            "Redis; name one"
        )
    try:
        CredentialSource(is_redis=True, **credential_source(options))
    except ConfigurationError as error:
        raise ImproperlyConfigured(f"OPTIONS of {cache}: {error}") from None
