"""How clients reach a deployment's servers: addresses and accounts, the same in every runtime."""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.names import Scope
from app_integration.secret import Secret
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.servers.accounts import DatabaseAccounts, Manager, RedisAccount, smtp_password


@dataclass(frozen=True, slots=True)
class Access:
    """The servers of *scope* at *ports*, with the passwords that *layout* keeps."""

    layout: Layout
    ports: Ports
    scope: Scope

    @property
    def vault_address(self) -> str:
        """URL of the secrets server, its API and web page."""
        return f"http://{HOST}:{self.ports.vault}"

    @property
    def database(self) -> DatabaseAccounts:
        """Who logs in to PostgreSQL."""
        return DatabaseAccounts(self.layout, self.ports.database, self.scope)

    @property
    def redis(self) -> RedisAccount:
        """Who logs in to Redis."""
        return RedisAccount(self.layout, self.ports.redis)

    @property
    def manager(self) -> Manager:
        """Whom Vault logs in as on PostgreSQL."""
        return self.database.manager

    def given_secrets(self) -> dict[str, Secret]:
        """Values by secret name, as the service would have had them in its ``.env``."""
        return {
            "database-url": self.database.url(),
            "redis-url": self.redis.url(),
            "smtp-password": smtp_password(self.layout),
        }
