"""Connections to PostgreSQL, and the roles that lease users of PostgreSQL or Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from app_integration.errors import RequestRefused, ServerFault
from app_integration.names import DATABASE_MOUNT
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare.schema.field_types import Endpoint, is_loopback
from vault.reconcile.inputs import Inputs
from vault.reconcile.lifetimes import comparable_lifetimes
from vault.reconcile.resources import Fields, ReadSession, StoredObject, select_fields
from vault.reconcile.resources.connection import Connection, flatten
from vault.reconcile.resources.denial import explain_denial
from vault.reconcile.resources.lease_statements import Grant
from vault.reconcile.resources.mounts import read_max_ttl
from vault.reconcile.resources.ownership import OwnershipEntry
from vault.reconcile.resources.write_only import DIFFERENT

_PLUGIN = "postgresql-database-plugin"
_ROOT = "root_password"
ROTATED = "rotated"


@dataclass(frozen=True, slots=True)
class DatabaseConnection(Connection):
    """A connection of the server to a database, as a user with CREATEROLE but no superuser.

    The operator provides a password, which the server rotates at once, as the ownership metadata
    records. Apply sends a password again only if the operator provides a different one.
    """

    name: str
    endpoint: Endpoint
    database: str
    username: str
    allowed_roles: tuple[str, ...]
    password_policy: str
    inputs: Inputs
    ownership: OwnershipEntry
    mount: str = DATABASE_MOUNT
    is_fixed: bool = False

    def desired(self) -> Fields:
        """Return the fields that the server returns, and those in the ownership metadata."""
        return {**self._config(), _ROOT: ROTATED, **self._password.desired()}

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:
        root = self.ownership.read(reader).get(_ROOT, "unknown")
        return {**flatten(data), _ROOT: root, **self._password.read(reader)}

    def check(self, before: Fields | None) -> None:
        """Check that the operator provides the password of a new connection."""
        if before is None:
            self.inputs.get_required(self._path)

    def write(self, session: Session, before: Fields | None) -> None:
        """Write the connection, and rotate its password if that has not been done yet."""
        sends_password = before is None or before.get("password") == DIFFERENT
        if (
            before is not None
            and not sends_password
            and select_fields(self._config(), before) != self._config()
        ):
            sends_password = not self._update_without_password(session, before)
        if sends_password:
            self.ownership.write(session, {_ROOT: None})
            self._post(session, self.inputs.get_required(self._path))
        if before is None or sends_password or before[_ROOT] != ROTATED:
            if sends_password or self._needs_rotation(session):
                session.post(f"{self.mount}/rotate-root/{self.name}", retry=False)
            self.ownership.write(session, {_ROOT: ROTATED})
        if sends_password or (before is not None and "password" in before):
            self.ownership.write(session, self._password.fingerprint_metadata(session))

    def _update_without_password(self, session: Session, before: Fields) -> bool:
        """Write everything except the password; return whether the server accepted that.

        False means that the username has changed, and that the stored password does not log in as
        the new user. Any other failure is raised.
        """
        try:
            self._post(session, None)
        except (RequestRefused, ServerFault):
            if before["username"] == self.username:
                raise
            return False
        return True

    def _needs_rotation(self, session: Session) -> bool:
        """Return whether the provided password still logs in, so that it has to be rotated.

        A killed run may have rotated it without recording so. True without a provided password: the
        server knows its own, so one more rotation does no harm.
        """
        provided = self.inputs.get(self._path)
        if provided is None:
            return True
        try:
            self._post(session, provided)
        except (RequestRefused, ServerFault):
            self._post(session, None)  # raises if the server's own password does not log in either
            return False
        return True

    def _post(self, session: Session, password: Secret | None) -> None:
        """Write the configuration. The server logs in to verify it, and rejects it on failure."""
        secret = {} if password is None else {"password": password.reveal()}
        with explain_denial(self, is_fixed=self.is_fixed):
            session.post(self._path, {**self.body(), **secret}, retry=False)

    def body(self) -> dict[str, Any]:
        """Return what is written, but the password."""
        return {**self._config(), "verify_connection": True}

    def _config(self) -> dict[str, Any]:
        return {
            "plugin_name": _PLUGIN,
            "connection_url": (
                f"postgresql://{{{{username}}}}:{{{{password}}}}@{self.endpoint}"
                f"/{self.database}?sslmode={self._sslmode}"
            ),
            "username": self.username,
            "password_authentication": "scram-sha-256",
            "password_policy": self.password_policy,
            "allowed_roles": sorted(self.allowed_roles),
        }

    @property
    def _sslmode(self) -> str:
        """Return ``verify-full``, or ``disable`` for a database on the server's own machine."""
        return "disable" if is_loopback(f"tcp://{self.endpoint}") else "verify-full"


@dataclass(frozen=True, slots=True)
class DatabaseRole(StoredObject):
    """A role that leases users with the rights of a PostgreSQL role, or with ACL rules of Redis.

    A lease keeps the statements that it was created with.
    """

    kind: ClassVar[str] = "database-role"
    depends_on: ClassVar[tuple[str, ...]] = ("database-connection",)
    listed_at: ClassVar[str] = "{database}/roles"

    name: str
    connection: str
    grant: Grant
    ttl: int
    max_ttl: int
    mount: str = DATABASE_MOUNT

    def desired(self) -> Fields:
        """Return the statements, and the TTLs in seconds."""
        return {
            "db_name": self.connection,
            "creation_statements": list(self.grant.creation_statements()),
            "revocation_statements": list(self.grant.revocation_statements()),
            "default_ttl": self.ttl,
            "max_ttl": self.max_ttl,
        }

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:
        max_ttl = read_max_ttl(reader, self.mount)
        return {**data, **comparable_lifetimes(data, max_ttl, self.desired())}

    @property
    def _path(self) -> str:
        return f"{self.mount}/roles/{self.name}"
