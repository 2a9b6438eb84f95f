"""Database connections and the roles that lease users (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from app_integration.errors import RequestRefused, ServerFault
from app_integration.names import DATABASE_MOUNT
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare.schema.field_types import Endpoint, loopback
from vault.reconcile.inputs import Inputs
from vault.reconcile.lifetimes import in_force
from vault.reconcile.resources import Fields, Reader, pick, read_data
from vault.reconcile.resources.mounts import max_ttl
from vault.reconcile.resources.ownership import note, write_note
from vault.reconcile.resources.write_only import ANOTHER, WriteOnly

_PLUGIN = "postgresql-database-plugin"
_ROOT = "root_password"
ROTATED = "rotated"

#: What ends a leased user, in this order. The server runs the statements in one transaction, and
#: takes what is between ``DO $$`` and ``$$`` as one of them.
_NO_LOGIN = """DO $$ BEGIN
IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{{name}}') THEN
  ALTER ROLE "{{name}}" NOLOGIN;
END IF; END $$"""
#: A login that was let in before the ban has no name yet. It is within a transaction until its
#: session has one, so those that were under way are waited for; one of ours that takes its time,
#: which a client can ask for, is ended. Within a transaction the view changes only when cleared.
_NO_SESSIONS = """DO $$ DECLARE logins text[]; login int; under_way bool; BEGIN
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
_NO_USER = """DO $$ BEGIN
IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{{name}}') THEN
  REASSIGN OWNED BY "{{name}}" TO "{{owner}}";
  DROP OWNED BY "{{name}}";
  DROP ROLE "{{name}}";
END IF; END $$"""


@dataclass(frozen=True, slots=True)
class DatabaseConnection:
    """The server's own connection to a database, as a CREATEROLE user that is no superuser.

    The password that is given works once: the server replaces it by one that it alone knows, and
    a note says so. Afterwards it is never sent again; another one, given on purpose, is.

    Attributes:
        password_policy: name of what the server draws passwords by; empty for its own.
        record: path of the note.

    """

    kind: ClassVar[str] = "database-connection"

    name: str
    endpoint: Endpoint
    database: str
    username: str
    allowed_roles: tuple[str, ...]
    password_policy: str
    supply: Inputs
    record: str

    def desired(self) -> Fields:
        """What the server gives back, and what is noted of the password."""
        return {**self._config(), _ROOT: ROTATED, **self._password.desired()}

    def read(self, reader: Reader) -> Fields | None:
        """The server nests what belongs to the plugin under ``connection_details``."""
        data = read_data(reader, self._path)
        if data is None:
            return None
        flat = {
            **data,
            **data["connection_details"],
            "allowed_roles": sorted(data["allowed_roles"]),
            _ROOT: note(reader, self.record).get(_ROOT, "unknown"),
            **self._password.read(reader),
        }
        return pick(self.desired(), flat)

    def write(self, session: Session, before: Fields | None) -> None:
        """Write it, and have the password rotated if that wasn't done yet."""
        given = before is None or before.get("password") == ANOTHER
        if before is not None and not given and pick(self._config(), before) != self._config():
            given = not self._keeps_password(session, before)
        if given:
            write_note(session, self.record, {_ROOT: None})
            self._post(session, self.supply.required(self._path))
        if before is None or given or before[_ROOT] != ROTATED:
            if given or self._given_works(session):
                session.post(f"{DATABASE_MOUNT}/rotate-root/{self.name}", retry=False)
            write_note(session, self.record, {_ROOT: ROTATED})
        if given or (before is not None and "password" in before):
            write_note(session, self.record, self._password.notes(session))

    def _keeps_password(self, session: Session, before: Fields) -> bool:
        """Write all but the password; False when that is of another user and opens nothing."""
        try:
            self._post(session, None)
        except (RequestRefused, ServerFault):
            if before["username"] == self.username:
                raise
            return False
        return True

    def _given_works(self, session: Session) -> bool:
        """Whether the given password still opens the database: then it wasn't rotated.

        A run that was killed may have rotated it and not noted so. Without a given password the
        answer is True: rotating once more does no harm, as the server knows what it has.
        """
        given = self.supply.get(self._path)
        if given is None:
            return True
        try:
            self._post(session, given)
        except (RequestRefused, ServerFault):
            self._post(session, None)  # raises when the server's own doesn't open it either
            return False
        return True

    def _post(self, session: Session, password: Secret | None) -> None:
        """Write the configuration; the server verifies it by connecting, or keeps the old."""
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
        """TLS with a verified name, except to a database on the server's own machine."""
        return "disable" if loopback(f"tcp://{self.endpoint}") else "verify-full"

    @property
    def _path(self) -> str:
        return f"{DATABASE_MOUNT}/config/{self.name}"

    @property
    def _password(self) -> WriteOnly:
        return WriteOnly(self.record, self.supply.get(self._path))


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

    def read(self, reader: Reader) -> Fields | None:
        """The same of the role on the server, its lifetimes as the mount grants them."""
        data: Mapping[str, Any] | None = read_data(reader, self._path)
        if data is None:
            return None
        desired = self.desired()
        lifetimes = in_force(data, max_ttl(reader, DATABASE_MOUNT), desired)
        return pick(desired, {**data, **lifetimes})

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
    """SQL that ends a leased user: no new logins, open sessions ended, objects kept, user gone.

    The first is committed before the rest: as long as it isn't, others don't see it and log in, and
    such a session would outlive its user. Each statement can be run again, and a user who is gone
    already is no error: the server would try again, give up, and keep the lease for ever.
    """
    return (_NO_LOGIN, "COMMIT", _NO_SESSIONS, _NO_USER.replace("{{owner}}", owner))
