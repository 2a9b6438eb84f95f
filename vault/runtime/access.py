"""Accounts of a service on a deployment's servers, the same in every runtime."""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.secret import Secret
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports
from vault.runtime.servers.accounts import DatabaseAccounts, RedisAccount, mail_password
from vault.runtime.servers.postgres_roles import ServiceRoles


@dataclass(frozen=True, slots=True)
class Access:
    """Accounts of the service of *scope* on the servers at *ports*.

    Attributes:
        layout: Contains the passwords.
        ports: Ports of the servers.
        scope: The service and its environment.
        database_name: Name of the service's database, or None if it has none.

    """

    layout: Layout
    ports: Ports
    scope: Scope
    database_name: str | None = None

    @property
    def database(self) -> DatabaseAccounts | None:
        """Return the accounts on the service's database, or None if it has none."""
        if self.database_name is None:
            return None
        roles = ServiceRoles(self.scope, self.database_name)
        return DatabaseAccounts(self.layout, self.ports.database, roles)

    def require_database(self) -> DatabaseAccounts:
        """Return the accounts on the service's database.

        Raises:
            ConfigurationError: If it has none.

        """
        if self.database is None:
            raise ConfigurationError(
                f"{self.scope.service} has no database; declare one in its service file"
            )
        return self.database

    @property
    def redis(self) -> RedisAccount:
        """Return the Redis account."""
        return RedisAccount(self.layout, self.ports.redis)

    def mail_password(self) -> Secret:
        """Return the password of the service's mail account."""
        return mail_password(self.layout, self.scope.service)

    def provided_secrets(self) -> dict[str, Secret]:
        """Return the values that the service would have in its ``.env``, by secret name."""
        provided = {"redis-url": self.redis.url(), "smtp-password": self.mail_password()}
        if self.database is not None:
            provided["database-url"] = self.database.url()
        return provided
