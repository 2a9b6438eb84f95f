"""Database, owner, reader, manager and application user of a service, created by the superuser.

Vault logs in as the manager, which is not a superuser: it creates users, grants them the owner's or
the reader's role, terminates their sessions and drops them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from local.servers.service_roles import ServiceRoles


@dataclass(frozen=True, slots=True)
class ServerRoles:
    """The database and the roles of a service on the server. Each method raises psycopg.Error.

    *superuser* commits each statement.
    """

    superuser: psycopg.Connection
    names: ServiceRoles

    def ensure_roles(self, manager: Secret, app: Secret | None) -> None:
        """Create the database and the roles that are missing.

        The passwords are for new roles only, because Vault may have changed that of an existing
        *manager*. An existing database of another role is left alone with all that it grants.
        """
        names, superuser = self.names, self.superuser
        self._check_owner()
        if not self.has_manager():
            _create_manager(superuser, names, manager)
        for group in (names.owner, names.reader):
            _ensure_group(superuser, group, names.manager)
        if app is not None and not _exists(superuser, "pg_roles", "rolname", names.app):
            _create_user(superuser, names, names.app, _verifier(superuser, names.app, app))
        database, reader = Identifier(names.database), Identifier(names.reader)
        if not _exists(superuser, "pg_database", "datname", names.database):
            _run(superuser, "CREATE DATABASE {} OWNER {}", database, Identifier(names.owner))
        # A statement of its own, because CREATE DATABASE cannot run in a transaction.
        _run(superuser, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
        _run(superuser, "GRANT CONNECT ON DATABASE {} TO {}", database, reader)

    def _check_owner(self) -> None:
        query = "SELECT pg_get_userbyid(datdba), user FROM pg_database WHERE datname = %s"
        found = self.superuser.execute(query, (self.names.database,)).fetchone()
        database, owner = self.names.database, self.names.owner
        if found is None or found[0] == owner:
            return
        before, user = found
        statements = [
            f'GRANT "{owner}" TO "{user}" WITH ADMIN OPTION',
            f'ALTER DATABASE "{database}" OWNER TO "{owner}"',
            f'REASSIGN OWNED BY "{before}" TO "{owner}"',
        ]
        if not _exists(self.superuser, "pg_roles", "rolname", owner):
            statements.insert(0, f'CREATE ROLE "{owner}"')
        raise ConfigurationError(
            f'the database {database} exists, and belongs to "{before}" instead of "{owner}", whose'
            " rights leased users have; declare another name in "
            f"services/{self.names.scope.service}.yaml, or give it to the service as a superuser, "
            f"in this database: {'; '.join(statements)}"
        )

    def has_manager(self) -> bool:
        """Return whether the manager exists."""
        return _exists(self.superuser, "pg_roles", "rolname", self.names.manager)

    def ensure_user(self, user: str) -> None:
        """Create a user that acts as the owner and has no password, and let the manager set one.

        An existing user keeps its roles and its password.
        """
        if not _exists(self.superuser, "pg_roles", "rolname", user):
            _create_user(self.superuser, self.names, user, Literal(None))
        self.allow_password_changes(user)

    def ensure_reader(self, user: str, password: Secret) -> None:
        """Create a user of another service that reads the owner's tables, unless it exists.

        An existing user keeps its password.
        """
        if _exists(self.superuser, "pg_roles", "rolname", user):
            return
        name, verifier = Identifier(user), _verifier(self.superuser, user, password)
        with self.superuser.transaction():
            _run(self.superuser, "CREATE ROLE {} LOGIN PASSWORD {}", name, verifier)
            _run(self.superuser, "GRANT {} TO {}", Identifier(self.names.reader), name)

    def allow_password_changes(self, user: str) -> None:
        """Allow the manager to set the password of *user*. See :func:`allow_password_changes`."""
        allow_password_changes(self.superuser, self.names.manager, user)

    def set_password(self, user: str, password: Secret) -> None:
        """Set the password of *user*. See :func:`set_password`."""
        set_password(self.superuser, user, password)

    def transfer_schema(self) -> None:
        """Make the owner role the owner of schema ``public``, and let only the reader read it.

        The connection is to the service's database.
        """
        owner, reader = Identifier(self.names.owner), Identifier(self.names.reader)
        with self.superuser.transaction():
            _run(self.superuser, "ALTER SCHEMA public OWNER TO {}", owner)
            _run(self.superuser, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
            _allow_reading(self.superuser, owner, reader)


def allow_password_changes(admin: psycopg.Connection, manager: str, user: str) -> None:
    """Allow *manager* to set the password of *user*, but not to act as that user."""
    _run(
        admin,
        "GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        Identifier(user),
        Identifier(manager),
    )


def set_password(admin: psycopg.Connection, user: str, password: Secret) -> None:
    """Set the password of *user*, without sending it: the server gets the SCRAM verifier only."""
    verifier = _verifier(admin, user, password)
    _run(admin, "ALTER ROLE {} PASSWORD {}", Identifier(user), verifier)


def _allow_reading(superuser: psycopg.Connection, owner: Identifier, reader: Identifier) -> None:
    """Grant *reader* SELECT on the tables of schema ``public``, those of now and later ones.

    Tables in another schema are not shared.
    """
    _run(superuser, "GRANT USAGE ON SCHEMA public TO {}", reader)
    for kind in (SQL("TABLES"), SQL("SEQUENCES")):
        grant = SQL("GRANT SELECT ON ALL {} IN SCHEMA public TO {}")
        superuser.execute(grant.format(kind, reader))
        later = SQL(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA public GRANT SELECT ON {} TO {}"
        )
        superuser.execute(later.format(owner, kind, reader))


def _create_manager(superuser: psycopg.Connection, roles: ServiceRoles, password: Secret) -> None:
    manager = Identifier(roles.manager)
    verifier = _verifier(superuser, roles.manager, password)
    with superuser.transaction():
        _run(superuser, "CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}", manager, verifier)
        # Otherwise REASSIGN OWNED and DROP OWNED fail when a lease is revoked, and its user stays.
        _run(superuser, "ALTER ROLE {} SET createrole_self_grant = 'set, inherit'", manager)


def _ensure_group(superuser: psycopg.Connection, group: str, manager: str) -> None:
    """Create a role without login, unless it exists, which the manager grants to leased users."""
    role = Identifier(group)
    with superuser.transaction():
        if not _exists(superuser, "pg_roles", "rolname", group):
            _run(superuser, "CREATE ROLE {} NOLOGIN", role)
        _run(superuser, "GRANT {} TO {} WITH ADMIN OPTION", role, Identifier(manager))


def _create_user(
    superuser: psycopg.Connection, roles: ServiceRoles, user: str, verifier: Literal
) -> None:
    """Create a user that acts as the owner. The verifier NULL means that it has no password."""
    name, owner = Identifier(user), Identifier(roles.owner)
    with superuser.transaction():
        _run(superuser, "CREATE ROLE {} LOGIN PASSWORD {}", name, verifier)
        _run(superuser, "GRANT {} TO {}", owner, name)
        _run(superuser, "ALTER ROLE {} SET role TO {}", name, owner)


def _exists(
    superuser: psycopg.Connection, catalog: LiteralString, column: LiteralString, name: str
) -> bool:
    query = SQL("SELECT 1 FROM {} WHERE {} = {}")
    composed = query.format(Identifier(catalog), Identifier(column), Literal(name))
    return superuser.execute(composed).fetchone() is not None


def _verifier(superuser: psycopg.Connection, user: str, password: Secret) -> Literal:
    """Return the SCRAM verifier that the server stores, so that the password is never sent."""
    pgconn = superuser.pgconn
    verifier = pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
    return Literal(verifier.decode())


def _run(
    superuser: psycopg.Connection, statement: LiteralString, *parts: Identifier | Literal
) -> None:
    composed: Composed = SQL(statement).format(*parts)
    superuser.execute(composed)
