"""Accounts of a service on a deployment's servers, the same in every runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.secret import Secret
from vault.runtime.layout import Layout
from vault.runtime.listeners import find_listeners
from vault.runtime.ports import HOST, Ports
from vault.runtime.servers.accounts import DatabaseAccounts, Superuser, mail_password
from vault.runtime.servers.redis_accounts import RedisAccount, RedisManager
from vault.runtime.servers.service_roles import ServiceRoles


@dataclass(frozen=True, slots=True)
class Access:
    """Accounts of the service of *scope* on the servers at *ports*.

    Attributes:
        layout: Contains the passwords.
        ports: Ports of the servers.
        scope: The service and its environment.
        check_listener: Takes a server's name, and raises if another process listens on its port.
        database_name: Name of the database that the service owns, or None if it owns none.
        shared_database: Name of another service's database that it uses, or None.
        leases_redis_users: Whether it leases Redis users.
        mail_passwords: Names of its secrets that are the password of a mail account.

    """

    layout: Layout
    ports: Ports
    scope: Scope
    check_listener: Callable[[str], None]
    database_name: str | None = None
    shared_database: str | None = None
    leases_redis_users: bool = False
    mail_passwords: tuple[str, ...] = ("smtp-password",)

    @property
    def database(self) -> DatabaseAccounts | None:
        """Return the accounts on the database that the service owns, or None if it owns none."""
        if self.database_name is None:
            return None
        roles = ServiceRoles(self.scope, self.database_name)
        check = partial(self.check_listener, "database")
        return DatabaseAccounts(Superuser(self.layout, self.ports.database, check), roles)

    def require_database(self) -> DatabaseAccounts:
        """Return the accounts on the database that the service owns.

        Raises:
            ConfigurationError: If it owns none.

        """
        if self.database is None:
            raise ConfigurationError(
                f"{self.scope.service} has no database of its own; declare one in its service file"
            )
        return self.database

    @property
    def redis(self) -> RedisAccount:
        """Return the Redis account."""
        return RedisAccount(self.layout, self.ports.redis)

    @property
    def redis_manager(self) -> RedisManager | None:
        """Return the account that leases its Redis users, or None if it leases none."""
        return RedisManager(self.layout, self.scope) if self.leases_redis_users else None

    def lacks_manager(self) -> bool:
        """Return whether a server runs, but has no user that leases others.

        Raises:
            UnexpectedListener: If another process listens on a port. Nothing was sent.
            psycopg.Error: If the database rejects the login.

        """
        if self.database is not None and self.database.lacks_manager():
            return True
        manager = self.redis_manager
        if manager is None or not find_listeners(self.ports.redis):
            return False
        self.check_listener("redis")
        return not self.redis.has_manager(manager)

    def ensure_redis_manager(self) -> None:
        """Create the account that leases its Redis users, on the running server.

        Raises:
            UnexpectedListener: If another process listens on the port. Nothing was sent.
            ConfigurationError: If the server is unreachable, or rejects that.

        """
        if (manager := self.redis_manager) is not None:
            self.check_listener("redis")
            self.redis.ensure_manager(manager)

    def mail_password(self) -> Secret:
        """Return the password of the service's mail account."""
        return mail_password(self.layout, self.scope.service)

    @property
    def provided_names(self) -> list[str]:
        """Return the names of :meth:`provided_secrets`, without generating a password."""
        has_database = self.database_name is not None or self.shared_database is not None
        return ["redis-url", *self.mail_passwords, *(["database-url"] if has_database else [])]

    def provided_secrets(self) -> dict[str, Secret]:
        """Return the values that the service would have in its ``.env``, by secret name."""
        provided = dict.fromkeys(self.mail_passwords, self.mail_password())
        provided["redis-url"] = self.redis.url()
        if self.database is not None:
            provided["database-url"] = self.database.url()
        elif self.shared_database is not None:
            # Without a user, because the service leases its users, and has no other.
            address = f"{HOST}:{self.ports.database}/{self.shared_database}"
            provided["database-url"] = Secret(f"postgresql+psycopg://{address}")
        return provided
