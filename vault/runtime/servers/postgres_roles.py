"""Database, owner, manager and application user of a service, made as the superuser.

The manager is whom Vault logs in as. It isn't a superuser: it makes users, gives them the owner's
rights, ends their sessions and drops them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from app_integration.names import Scope
from app_integration.secret import Secret


@dataclass(frozen=True, slots=True)
class ServiceRoles:
    """The names that belong to the service of *scope*."""

    scope: Scope

    @property
    def database(self) -> str:
        """Its database: ``gaara_store``."""
        return self.scope.service.replace("-", "_")

    @property
    def owner(self) -> str:
        """Owns database, schema and all objects; nobody logs in as it: ``gaara_store_owner``."""
        return self.scope.owner_role

    @property
    def manager(self) -> str:
        """Makes and drops leased users: ``gaara_store_manager``."""
        return self.scope.manager_role

    @property
    def app(self) -> str:
        """Logs in with a password that doesn't change by itself: ``gaara_store_app``."""
        return f"{self.database}_app"


def ensure(
    superuser: psycopg.Connection, roles: ServiceRoles, manager: Secret, app: Secret
) -> None:
    """Make what is missing of *roles*; *superuser* is connected and commits each statement.

    The passwords *manager* and *app* are set only on roles that are new: Vault may have changed
    them since.
    """
    if not _exists(superuser, "pg_roles", "rolname", roles.manager):
        _create_manager(superuser, roles, manager)
    if not _exists(superuser, "pg_roles", "rolname", roles.owner):
        _create_owner(superuser, roles)
    if not _exists(superuser, "pg_roles", "rolname", roles.app):
        _create_app(superuser, roles, app)
    if not _exists(superuser, "pg_database", "datname", roles.database):
        _create_database(superuser, roles)
    # Not in one transaction with its creation, which allows none.
    _run(superuser, "REVOKE ALL ON DATABASE {} FROM PUBLIC", Identifier(roles.database))


def reset_manager(superuser: psycopg.Connection, roles: ServiceRoles, password: Secret) -> None:
    """Set the manager's password: what it was changed to since is lost with who changed it."""
    set_password(superuser, roles.manager, password)


def let_manage(admin: psycopg.Connection, manager: str, user: str) -> None:
    """Let *manager* set the password of *user*, and no more than that: not act as it.

    *admin* is a superuser, or has ADMIN OPTION on *user* itself.
    """
    _run(
        admin,
        "GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        Identifier(user),
        Identifier(manager),
    )


def set_password(admin: psycopg.Connection, user: str, password: Secret) -> None:
    """Set the password of *user*; only what the server keeps of it travels."""
    verifier = _verifier(admin, user, password)
    _run(admin, "ALTER ROLE {} PASSWORD {}", Identifier(user), verifier)


def own_schema(superuser: psycopg.Connection, roles: ServiceRoles) -> None:
    """In the service's own database: give schema ``public`` to the owner, and to nobody else."""
    with superuser.transaction():
        _run(superuser, "ALTER SCHEMA public OWNER TO {}", Identifier(roles.owner))
        _run(superuser, "REVOKE ALL ON SCHEMA public FROM PUBLIC")


def _create_manager(superuser: psycopg.Connection, roles: ServiceRoles, password: Secret) -> None:
    manager = Identifier(roles.manager)
    verifier = _verifier(superuser, roles.manager, password)
    with superuser.transaction():
        _run(superuser, "CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}", manager, verifier)
        # Without it REASSIGN OWNED and DROP OWNED fail when a user is revoked, and it stays.
        _run(superuser, "ALTER ROLE {} SET createrole_self_grant = 'set, inherit'", manager)


def _create_owner(superuser: psycopg.Connection, roles: ServiceRoles) -> None:
    owner, manager = Identifier(roles.owner), Identifier(roles.manager)
    with superuser.transaction():
        _run(superuser, "CREATE ROLE {} NOLOGIN", owner)
        _run(superuser, "GRANT {} TO {} WITH ADMIN OPTION", owner, manager)


def _create_app(superuser: psycopg.Connection, roles: ServiceRoles, password: Secret) -> None:
    app, owner = Identifier(roles.app), Identifier(roles.owner)
    verifier = _verifier(superuser, roles.app, password)
    with superuser.transaction():
        _run(superuser, "CREATE ROLE {} LOGIN PASSWORD {}", app, verifier)
        _run(superuser, "GRANT {} TO {}", owner, app)
        _run(superuser, "ALTER ROLE {} SET role TO {}", app, owner)


def _create_database(superuser: psycopg.Connection, roles: ServiceRoles) -> None:
    database, owner = Identifier(roles.database), Identifier(roles.owner)
    _run(superuser, "CREATE DATABASE {} OWNER {}", database, owner)


def _exists(
    superuser: psycopg.Connection, catalog: LiteralString, column: LiteralString, name: str
) -> bool:
    query = SQL("SELECT 1 FROM {} WHERE {} = {}")
    composed = query.format(Identifier(catalog), Identifier(column), Literal(name))
    return superuser.execute(composed).fetchone() is not None


def _verifier(superuser: psycopg.Connection, user: str, password: Secret) -> Literal:
    """What the server keeps instead of the password, which so never travels."""
    made = superuser.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
    return Literal(made.decode())


def _run(
    superuser: psycopg.Connection, statement: LiteralString, *parts: Identifier | Literal
) -> None:
    composed: Composed = SQL(statement).format(*parts)
    superuser.execute(composed)
