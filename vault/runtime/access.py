"""Addresses and accounts of a deployment's servers, the same in every runtime."""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.names import Scope
from app_integration.secret import Secret
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.servers.accounts import DatabaseAccounts, Manager, RedisAccount, smtp_password


@dataclass(frozen=True, slots=True)
class Access:
    """Servers of *scope* at *ports*, with the passwords stored in *layout*."""

    layout: Layout
    ports: Ports
    scope: Scope

    @property
    def vault_address(self) -> str:
        """Return the URL of the secrets server's API and web page."""
        return f"http://{HOST}:{self.ports.vault}"

    @property
    def database(self) -> DatabaseAccounts:
        """Return the PostgreSQL accounts."""
        return DatabaseAccounts(self.layout, self.ports.database, self.scope)

    @property
    def redis(self) -> RedisAccount:
        """Return the Redis account."""
        return RedisAccount(self.layout, self.ports.redis)

    @property
    def manager(self) -> Manager:
        """Return the PostgreSQL account that Vault logs in with."""
        return self.database.manager

    def provided_secrets(self) -> dict[str, Secret]:
        """Return the values that the service would have in its ``.env``, by secret name."""
        return {
            "database-url": self.database.url(),
            "redis-url": self.redis.url(),
            "smtp-password": smtp_password(self.layout),
        }
