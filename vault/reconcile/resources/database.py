"""Database connections and the roles that lease users (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from app_integration.names import DATABASE_MOUNT
from app_integration.session import Session
from vault.declare.fields import Endpoint, loopback
from vault.reconcile.resources import Fields, pick, read_data
from vault.reconcile.supply import Supply

_PLUGIN = "postgresql-database-plugin"


@dataclass(frozen=True, slots=True)
class DatabaseConnection:
    """The server's own connection to a database, as a CREATEROLE user that is no superuser.

    The password is write-only: it is given when the connection is made, and never compared.
    """

    kind: ClassVar[str] = "database-connection"

    name: str
    endpoint: Endpoint
    database: str
    username: str
    allowed_roles: tuple[str, ...]
    supply: Supply

    def desired(self) -> Fields:
        """Everything but the password."""
        return {
            "plugin_name": _PLUGIN,
            "connection_url": (
                f"postgresql://{{{{username}}}}:{{{{password}}}}@{self.endpoint}"
                f"/{self.database}?sslmode={self._sslmode}"
            ),
            "username": self.username,
            "password_authentication": "scram-sha-256",
            "allowed_roles": sorted(self.allowed_roles),
        }

    @property
    def _sslmode(self) -> str:
        """TLS with a verified name, except to a database on the server's own machine."""
        return "disable" if loopback(f"tcp://{self.endpoint}") else "verify-full"

    def read(self, session: Session) -> Fields | None:
        """The server nests what belongs to the plugin under ``connection_details``."""
        data = read_data(session, f"{DATABASE_MOUNT}/config/{self.name}")
        if data is None:
            return None
        flat = {
            **data,
            **data["connection_details"],
            "allowed_roles": sorted(data["allowed_roles"]),
        }
        return pick(self.desired(), flat)

    def write(self, session: Session, before: Fields | None) -> None:
        """Write it; the server verifies it by connecting."""
        body: dict[str, Any] = {**self.desired(), "verify_connection": True}
        if before is None:
            body["password"] = self.supply.required(f"{DATABASE_MOUNT}/config/{self.name}").reveal()
        session.post(f"{DATABASE_MOUNT}/config/{self.name}", body, retry=False)


@dataclass(frozen=True, slots=True)
class DatabaseRole:
    """A role that leases users whose objects belong to *owner*.

    Attributes:
        owner: the PostgreSQL role that owns the service's objects.
        ttl: seconds a lease lives.
        max_ttl: seconds at most, renewals included.
    """

    kind: ClassVar[str] = "database-role"

    name: str
    connection: str
    owner: str
    ttl: int
    max_ttl: int

    def desired(self) -> Fields:
        """Statements and lifetimes."""
        return {
            "db_name": self.connection,
            "creation_statements": list(creation_statements(self.owner)),
            "revocation_statements": list(revocation_statements(self.owner)),
            "default_ttl": self.ttl,
            "max_ttl": self.max_ttl,
        }

    def read(self, session: Session) -> Fields | None:
        """The same of the role on the server."""
        data: Mapping[str, Any] | None = read_data(session, self._path)
        return pick(self.desired(), data) if data is not None else None

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Replace the role; leases already out keep the statements of their time."""
        session.post(self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"{DATABASE_MOUNT}/roles/{self.name}"


def creation_statements(owner: str) -> tuple[str, ...]:
    """SQL that makes a leased user.

    ``SET ROLE`` at login makes *owner* own what the user creates, so that dropping the user later
    leaves no object behind.
    """
    return (
        (
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' "
            f"VALID UNTIL '{{{{expiration}}}}' IN ROLE \"{owner}\""
        ),
        f'ALTER ROLE "{{{{name}}}}" SET ROLE "{owner}"',
    )


def revocation_statements(owner: str) -> tuple[str, ...]:
    """SQL that ends a leased user: no new logins, open sessions ended, objects kept, user gone."""
    return (
        'ALTER ROLE "{{name}}" NOLOGIN',
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'",
        f'REASSIGN OWNED BY "{{{{name}}}}" TO "{owner}"',
        'DROP OWNED BY "{{name}}"',
        'DROP ROLE "{{name}}"',
    )
