"""Accounts of a service on a deployment's servers, the same in every runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.secret import Secret
from local.layout import Layout
from local.listeners import find_listeners
from local.ports import HOST, Ports
from local.servers.accounts import (
    DatabaseAccounts,
    Superuser,
    mail_password,
    url_without_user,
)
from local.servers.administrator import Administrator, manager_suffix
from local.servers.redis_accounts import RedisAccount, RedisManager
from local.servers.service_roles import ServiceRoles


@dataclass(frozen=True, slots=True)
class Access:
    """Accounts of the service of *scope* on the servers at *ports*.

    *check_listener* takes a server's name, and raises if another process listens on its port.
    *shared_database* is another service's, and *own_server* a PostgreSQL of the team's own.
    *mail_passwords* are the names of secrets.
    """

    layout: Layout
    ports: Ports
    scope: Scope
    check_listener: Callable[[str], None]
    database_name: str | None = None
    shared_database: str | None = None
    leases_redis_users: bool = False
    mail_passwords: tuple[str, ...] = ()
    own_server: tuple[str, int] | None = None

    @property
    def database(self) -> DatabaseAccounts | None:
        """Return the accounts on the database that the service owns, or None if it owns none."""
        if self.database_name is None:
            return None
        if (server := self.administrator) is None:
            return self._local_database(self.database_name)
        accounts = DatabaseAccounts(server, ServiceRoles(self.scope, self.database_name), False)
        if not self.layout.databases.is_dir():  # then no role was created yet
            return accounts
        suffix = manager_suffix(accounts.password("manager"), server.address)
        return replace(accounts, roles=replace(accounts.roles, suffix=suffix))

    def _local_database(self, name: str) -> DatabaseAccounts:
        check = partial(self.check_listener, "database")
        server = Superuser(self.layout, self.ports.database, check)
        return DatabaseAccounts(server, ServiceRoles(self.scope, name))

    @property
    def local_database(self) -> DatabaseAccounts | None:
        """Return :attr:`database` if it is on the deployment's own server, otherwise None."""
        return self.database if self.own_server is None else None

    @property
    def administrator(self) -> Administrator | None:
        """Return the administrator of the team's server, or None if it has no database there."""
        if self.database_name is None or self.own_server is None:
            return None
        host, port = self.own_server
        return Administrator(self.layout, port, lambda: None, host)

    @property
    def former_urls(self) -> list[Secret]:
        """Return what ``database-url`` was on the local server, if that is on the team's now."""
        if self.database_name is None or self.own_server is None:
            return []
        return [self._local_database(self.database_name).url()]

    def require_database(self) -> DatabaseAccounts:
        """Return the accounts on the database that the service owns."""
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
        """Return whether a server runs, but has no user that leases others."""
        if self.database is not None and self.database.lacks_manager():
            return True
        manager = self.redis_manager
        if manager is None or not find_listeners(self.ports.redis):
            return False
        self.check_listener("redis")
        return not self.redis.has_manager(manager)

    def ensure_redis_manager(self) -> None:
        """Create the account that leases its Redis users, on the running server."""
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
            server = self.own_server or (HOST, self.ports.database)
            provided["database-url"] = url_without_user(server, self.shared_database)
        return provided
