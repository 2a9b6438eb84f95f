"""Statements that create and drop a leased user: SQL for PostgreSQL, ACL rules for Redis."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol

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
  {{keep_objects}}DROP OWNED BY "{{name}}";
  DROP ROLE "{{name}}";
END IF; END $$"""
_KEEP_OBJECTS = """REASSIGN OWNED BY "{{name}}" TO "{{owner}}";
  """
_CREATE_USER = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"


class Grant(Protocol):
    """Rights of a role's leased users."""

    def creation_statements(self) -> tuple[str, ...]:
        """Return what creates a leased user."""
        ...

    def revocation_statements(self) -> tuple[str, ...]:
        """Return what drops a leased user."""
        ...


@dataclass(frozen=True, slots=True)
class OwnerGrant:
    """Rights of the role *owner*, to which all objects of its users belong."""

    owner: str

    def creation_statements(self) -> tuple[str, ...]:
        """Return the SQL that creates a leased user.

        ``SET ROLE`` at login makes *owner* the owner of all that the user creates, so that dropping
        the user later leaves no object behind.
        """
        return (
            f'{_CREATE_USER} IN ROLE "{self.owner}"',
            f'ALTER ROLE "{{{{name}}}}" SET ROLE "{self.owner}"',
        )

    def revocation_statements(self) -> tuple[str, ...]:
        """Return the SQL that drops a leased user and keeps its objects. See :func:`_drop`."""
        return _drop(_KEEP_OBJECTS.replace("{{owner}}", self.owner))


@dataclass(frozen=True, slots=True)
class ReadGrant:
    """Rights of the role *reader*, which reads the owner's tables and owns nothing."""

    reader: str

    def creation_statements(self) -> tuple[str, ...]:
        """Return the SQL that creates a leased user.

        The user inherits the rights of *reader*, but cannot act as it. Otherwise a large object,
        which every user may create, would belong to *reader* and outlive the user.
        """
        return (
            _CREATE_USER,
            f'GRANT "{self.reader}" TO "{{{{name}}}}" WITH INHERIT TRUE, SET FALSE',
        )

    def revocation_statements(self) -> tuple[str, ...]:
        """Return the SQL that drops a leased user with all that it owns. See :func:`_drop`."""
        return _drop("")


def _drop(keep_objects: str) -> tuple[str, ...]:
    """Return the SQL that bans logins, ends the open sessions and drops the role.

    ``COMMIT`` makes the ban visible first, because the session of a login in the meantime would
    outlive the user. Each statement also succeeds without the user, because the server would retry
    after an error, give up and keep the lease for ever.
    """
    drop = _DROP_USER.replace("{{keep_objects}}", keep_objects)
    return (_DISABLE_LOGIN, "COMMIT", _TERMINATE_SESSIONS, drop)


@dataclass(frozen=True, slots=True)
class AclGrant:
    """Rights of a Redis user: *rules* of its ACL."""

    rules: tuple[str, ...]

    def creation_statements(self) -> tuple[str, ...]:
        """Return the rules as the one statement that the server's plugin reads, a JSON list."""
        return (json.dumps(self.rules),)

    def revocation_statements(self) -> tuple[str, ...]:
        """Return no statement, because the plugin deletes the user, which ends its connections."""
        return ()
