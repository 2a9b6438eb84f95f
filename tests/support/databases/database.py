"""The deployment's PostgreSQL as its superuser sees it: leased users, and their sessions."""

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
from vault.runtime.servers.accounts import DatabaseAccounts

ROLE = "gaara-store-dev"
_URL = "secret/data/gaara-store/dev/database-url"
_PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Database:
    """Looks from outside."""

    accounts: DatabaseAccounts

    def leased(self) -> set[str]:
        """The leased users that there are."""
        return {row[0] for row in self._ask("SELECT rolname FROM pg_roles WHERE rolname ^@ 'v-'")}

    def ghosts(self) -> int:
        """Sessions of users that are gone."""
        query: LiteralString = """
            SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND usesysid IS NOT NULL AND usename IS NULL
        """
        return int(self._ask(query)[0][0])

    def end(self, pid: int) -> None:
        """End the session *pid*."""
        self._ask("SELECT pg_terminate_backend(%s, 10000)", pid)

    def shorten(self, user: str) -> None:
        """Have the password of *user* end in a minute."""
        statement = SQL("ALTER ROLE {} VALID UNTIL {}")
        end = Literal(str(datetime.now(UTC) + timedelta(minutes=1)))
        with self.accounts.connect_as_superuser() as superuser:
            superuser.execute(statement.format(Identifier(user), end))

    def valid_until(self, user: str) -> datetime:
        """When the password of *user* ends."""
        query: LiteralString = "SELECT rolvaliduntil FROM pg_roles WHERE rolname = %s"
        found: datetime = self._ask(query, user)[0][0]
        return found

    @contextmanager
    def another_password(self, operator: Session, user: str) -> Iterator[None]:
        """For a while *user* has another password, which *operator* writes into the secret."""
        before = self.accounts.password("app")
        held = operator.get(_URL)["data"]["data"]
        changed = held["value"].replace(before.reveal(), "another")
        self.accounts.set_password(user, Secret("another"))
        operator.post(_URL, {"data": {"value": changed}})
        try:
            yield
        finally:
            self.accounts.set_password(user, before)
            operator.post(_URL, {"data": held})

    def _ask(self, query: LiteralString, *values: str | int) -> list[tuple[Any, ...]]:
        with self.accounts.connect_as_superuser() as superuser:
            return superuser.execute(query, values).fetchall()


@contextmanager
def leases(operator: Session, *, ttl: int, max_ttl: int) -> Iterator[None]:
    """For a while, leases of :data:`ROLE` live *ttl* seconds, renewed at most *max_ttl*."""
    path = f"database/roles/{ROLE}"
    declared = operator.get(path)["data"]
    operator.post(path, {**declared, "default_ttl": ttl, "max_ttl": max_ttl})
    try:
        yield
    finally:
        operator.post(path, declared)


def eventually(holds: Callable[[], bool], patience: float = _PATIENCE) -> bool:
    """Whether *holds* becomes true, looked at until *patience* seconds are over."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
