"""Redis server and users of a Celery application, from which it builds pools of redis-py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis import SSLConnection

from app_integration.database.factory import CredentialSource
from app_integration.database.redis_pool import LeasedRedisPool
from app_integration.default_client import get_default_client
from app_integration.errors import ConfigurationError

#: Options of kombu and Celery that say what the URL and the provider say.
_REPLACED: Final = (
    *("host", "port", "path", "db", "virtual_host"),
    *("username", "password", "credential_provider", "connection_class"),
)


@dataclass(frozen=True, slots=True)
class RedisSource(CredentialSource):
    """Source of the pools of one application. *url* is None for the URL in a secret."""

    is_redis: bool = True
    url: str | None = field(default=None, repr=False)  # may hold a password, which is ignored

    @property
    def _user(self) -> dict[str, Any]:
        return {"role": self.role, "secret": self.secret, "credentials": self.credentials}

    @property
    def title(self) -> str:
        """Return how logs name the server: by what selects its users."""
        kind, name = next(
            (each for each in self._user.items() if each[1] is not None), ("role", "default")
        )
        return f"redis ({kind} {name})"

    def build_pool(self, options: Mapping[str, Any]) -> LeasedRedisPool:
        """Return a new pool, which the caller closes.

        Host, database and user in *options* are ignored, as is what they leave at None.
        """
        chosen = {
            name: value
            for name, value in options.items()
            if name not in _REPLACED and value is not None
        }
        client = get_default_client()
        pool: LeasedRedisPool = client.databases.create(
            "redis pool", self.url, chosen, **self._user
        )
        if not issubclass(pool.connection_class, SSLConnection):
            _reject_tls_options(pool.connection_kwargs)
        return pool


def _reject_tls_options(options: Mapping[str, Any]) -> None:
    """Raise an error if *options* are for TLS. Connections without it do not know them."""
    for name in options:
        if name.startswith("ssl_"):
            raise ConfigurationError(
                f"{name}: the URL of Redis has no TLS; begin it with rediss://, or remove"
                " broker_use_ssl and redis_backend_use_ssl"
            )
