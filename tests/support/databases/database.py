"""Deployment's PostgreSQL as its superuser sees it: leased users and their sessions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from psycopg.sql import SQL, Identifier, Literal

from app_integration.secret import Secret
from app_integration.session.session import Session
from local.servers.accounts import DatabaseAccounts

ROLE = "gaara-store-dev"
_URL = "secret/data/gaara-store/dev/database-url"
_PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Database:
    """Deployment's PostgreSQL, accessed as its superuser."""

    accounts: DatabaseAccounts

    def leased_users(self) -> set[str]:
        query: LiteralString = "SELECT rolname FROM pg_roles WHERE rolname ^@ 'v-'"
        return {row[0] for row in self._execute(query)}

    def roles_of(self, user: str) -> set[str]:
        query: LiteralString = """
            SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole
        """
        return {row[0] for row in self._execute(query, f'"{user}"')}

    def dropped_users_sessions(self) -> int:
        query: LiteralString = """
            SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND usesysid IS NOT NULL AND usename IS NULL
        """
        return int(self._execute(query)[0][0])

    def terminate_session(self, pid: int) -> None:
        self._execute("SELECT pg_terminate_backend(%s, 10000)", pid)

    def expire_password_soon(self, user: str) -> None:
        statement = SQL("ALTER ROLE {} VALID UNTIL {}")
        end = Literal(str(datetime.now(UTC) + timedelta(minutes=1)))
        with self.accounts.superuser.connect() as superuser:
            superuser.execute(statement.format(Identifier(user), end))

    def password_valid_until(self, user: str) -> datetime:
        query: LiteralString = "SELECT rolvaliduntil FROM pg_roles WHERE rolname = %s"
        found: datetime = self._execute(query, user)[0][0]
        return found

    @contextmanager
    def changed_password(self, operator: Session, user: str) -> Iterator[None]:
        """Change the password of *user*, also in the secret, until the block ends."""
        before = self.accounts.password("app")
        secret = operator.get(_URL)["data"]["data"]
        changed = secret["value"].replace(before.reveal(), "another")
        self.accounts.set_password(user, Secret("another"))
        operator.post(_URL, {"data": {"value": changed}})
        try:
            yield
        finally:
            self.accounts.set_password(user, before)
            operator.post(_URL, {"data": secret})

    def _execute(self, query: LiteralString, *values: str | int) -> list[tuple[Any, ...]]:
        with self.accounts.superuser.connect() as superuser:
            return superuser.execute(query, values).fetchall()


@contextmanager
def leases(operator: Session, *, ttl: int, max_ttl: int) -> Iterator[None]:
    """Set the TTLs of :data:`ROLE` until the block ends."""
    path = f"database/roles/{ROLE}"
    declared = operator.get(path)["data"]
    operator.post(path, {**declared, "default_ttl": ttl, "max_ttl": max_ttl})
    try:
        yield
    finally:
        operator.post(path, declared)


def eventually(condition: Callable[[], bool], patience: float = _PATIENCE) -> bool:
    """Return whether *condition* becomes true within *patience* seconds."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
