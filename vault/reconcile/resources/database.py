"""Database connections, and the roles that lease database users (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from app_integration.errors import RequestRefused, ServerFault
from app_integration.names import DATABASE_MOUNT
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare.schema.field_types import Endpoint, is_loopback
from vault.reconcile.inputs import Inputs
from vault.reconcile.lifetimes import comparable_lifetimes
from vault.reconcile.resources import Fields, ReadSession, read_data, select_fields
from vault.reconcile.resources.mounts import read_max_ttl
from vault.reconcile.resources.ownership import read_ownership, write_ownership
from vault.reconcile.resources.write_only import DIFFERENT, WriteOnly

_PLUGIN = "postgresql-database-plugin"
_ROOT = "root_password"
ROTATED = "rotated"

#: The statements that drop a leased user, in this order. The server runs them in one transaction,
#: and takes the text between ``DO $$`` and ``$$`` as one statement.
_DISABLE_LOGIN = """DO $$ BEGIN
IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{{name}}') THEN
  ALTER ROLE "{{name}}" NOLOGIN;
END IF; END $$"""
#: A login that began before the ban is not in pg_stat_activity under its name yet, but it is within
#: a transaction until it is. So this waits for the logins that were under way, and terminates slow
#: ones of managed users, because a client can delay its own login. The snapshot is cleared because
#: otherwise the view does not change within a transaction.
_TERMINATE_SESSIONS = """DO $$ DECLARE logins text[]; login int; under_way bool; BEGIN
SELECT array_agg(virtualtransaction) INTO logins FROM pg_locks WHERE pid NOT IN
  (SELECT pid FROM pg_stat_activity WHERE datid IS NOT NULL OR usesysid IS NOT NULL);
FOR look IN 1..200 LOOP
  under_way := EXISTS (SELECT FROM pg_locks WHERE virtualtransaction = ANY(logins));
  PERFORM pg_stat_clear_snapshot();
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';
  EXIT WHEN NOT FOUND AND NOT under_way;
  IF look = 150 THEN
    FOR login IN SELECT DISTINCT pid FROM pg_locks WHERE virtualtransaction = ANY(logins) LOOP
      BEGIN
        PERFORM pg_terminate_backend(login);
      EXCEPTION WHEN insufficient_privilege THEN NULL;
      END;
    END LOOP;
  END IF;
  PERFORM pg_sleep(0.01);
END LOOP; END $$"""
_DROP_USER = """DO $$ BEGIN
IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{{name}}') THEN
  REASSIGN OWNED BY "{{name}}" TO "{{owner}}";
  DROP OWNED BY "{{name}}";
  DROP ROLE "{{name}}";
END IF; END $$"""


@dataclass(frozen=True, slots=True)
class DatabaseConnection:
    """A connection of the server to a database, as a user with CREATEROLE but no superuser.

    The operator provides a password once. The server rotates it at once to one that only the server
    knows, and the ownership metadata records the rotation. Afterwards apply never sends the
    password again, unless the operator provides a different one.

    Attributes:
        password_policy: Name of the policy that the server generates passwords with; empty for the
            server's default.
        inputs: Has the password, under the API path of the connection.
        ownership_path: Path of the ownership metadata.

    """

    kind: ClassVar[str] = "database-connection"

    name: str
    endpoint: Endpoint
    database: str
    username: str
    allowed_roles: tuple[str, ...]
    password_policy: str
    inputs: Inputs
    ownership_path: str

    def desired(self) -> Fields:
        """Return the fields that the server returns, and those in the ownership metadata."""
        return {**self._config(), _ROOT: ROTATED, **self._password.desired()}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the connection's fields, None if it does not exist.

        The server nests the plugin's fields under ``connection_details``; this flattens them.
        """
        data = read_data(reader, self._path)
        if data is None:
            return None
        flat = {
            **data,
            **data["connection_details"],
            "allowed_roles": sorted(data["allowed_roles"]),
            _ROOT: read_ownership(reader, self.ownership_path).get(_ROOT, "unknown"),
            **self._password.read(reader),
        }
        return select_fields(self.desired(), flat)

    def write(self, session: Session, before: Fields | None) -> None:
        """Write the connection, and rotate its password if that has not been done yet.

        Raises:
            RequestRefused: If the server cannot log in to the database. It keeps the old
                configuration.
            ServerFault: If the server reports that with a 5xx status.
            ConfigurationError: If a password is needed, and the operator provides none.

        """
        sends_password = before is None or before.get("password") == DIFFERENT
        if (
            before is not None
            and not sends_password
            and select_fields(self._config(), before) != self._config()
        ):
            sends_password = not self._update_without_password(session, before)
        if sends_password:
            write_ownership(session, self.ownership_path, {_ROOT: None})
            self._post(session, self.inputs.get_required(self._path))
        if before is None or sends_password or before[_ROOT] != ROTATED:
            if sends_password or self._needs_rotation(session):
                session.post(f"{DATABASE_MOUNT}/rotate-root/{self.name}", retry=False)
            write_ownership(session, self.ownership_path, {_ROOT: ROTATED})
        if sends_password or (before is not None and "password" in before):
            write_ownership(
                session, self.ownership_path, self._password.fingerprint_metadata(session)
            )

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
        """Return whether the password still has to be rotated: the provided one still logs in.

        A killed run may have rotated it without recording so. Without a provided password the
        result is True, because one more rotation does no harm: the server knows the password it
        has.
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
        body = {**self._config(), **secret, "verify_connection": True}
        session.post(self._path, body, retry=False)

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

    @property
    def _path(self) -> str:
        return f"{DATABASE_MOUNT}/config/{self.name}"

    @property
    def _password(self) -> WriteOnly:
        return WriteOnly(self.ownership_path, self.inputs.get(self._path))


@dataclass(frozen=True, slots=True)
class DatabaseRole:
    """A role that leases users whose objects belong to *owner*.

    Attributes:
        connection: Name of the :class:`DatabaseConnection`.
        owner: The PostgreSQL role that owns the service's objects.
        ttl: TTL of a lease in seconds.
        max_ttl: Maximum TTL of a lease in seconds, renewals included.

    """

    kind: ClassVar[str] = "database-role"

    name: str
    connection: str
    owner: str
    ttl: int
    max_ttl: int

    def desired(self) -> Fields:
        """Return the SQL statements, and the TTLs in seconds."""
        return {
            "db_name": self.connection,
            "creation_statements": list(creation_statements(self.owner)),
            "revocation_statements": list(revocation_statements(self.owner)),
            "default_ttl": self.ttl,
            "max_ttl": self.max_ttl,
        }

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the role's fields, its TTLs as capped by the mount; None if it does not exist."""
        data: Mapping[str, Any] | None = read_data(reader, self._path)
        if data is None:
            return None
        desired = self.desired()
        lifetimes = comparable_lifetimes(data, read_max_ttl(reader, DATABASE_MOUNT), desired)
        return select_fields(desired, {**data, **lifetimes})

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Replace the role. Existing leases keep the statements they were created with."""
        session.post(self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"{DATABASE_MOUNT}/roles/{self.name}"


def creation_statements(owner: str) -> tuple[str, ...]:
    """Return the SQL that creates a leased user.

    ``SET ROLE`` at login makes *owner* the owner of all that the user creates, so that dropping the
    user later leaves no object behind.
    """
    return (
        (
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' "
            f"VALID UNTIL '{{{{expiration}}}}' IN ROLE \"{owner}\""
        ),
        f'ALTER ROLE "{{{{name}}}}" SET ROLE "{owner}"',
    )


def revocation_statements(owner: str) -> tuple[str, ...]:
    """Return the SQL that drops a leased user and keeps its objects.

    It bans logins, ends the open sessions and drops the role. ``COMMIT`` makes the ban visible
    before the sessions are ended. Otherwise a login in the meantime would not see it, and its
    session would outlive the user. Each statement can run again, and succeeds if the user no longer
    exists: on an error the server would retry, give up and keep the lease for ever.
    """
    return (_DISABLE_LOGIN, "COMMIT", _TERMINATE_SESSIONS, _DROP_USER.replace("{{owner}}", owner))
