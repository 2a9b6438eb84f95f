"""Detection of a pooler that gives each transaction another session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from psycopg import Connection

from app_integration.errors import ConfigurationError
from migration import session_check
from migration.course import Course
from migration.stage import Stage
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.old_tokens import Clinic

pytestmark = pytest.mark.requires("embedded")


@dataclass
class Pooler:
    """A pooler that works by transactions."""

    database: OwnDatabase
    limit: int = 10
    is_fair: bool = False
    sessions: list[Connection] = field(default_factory=list)
    idle: list[Connection] = field(default_factory=list)

    def close(self) -> None:
        for each in self.sessions:
            each.close()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Yield a session for one transaction."""
        if not self.idle:
            assert len(self.sessions) < self.limit, "the client would wait for ever"
            self.idle.append(self.database.connect())
            self.sessions += self.idle
        found = self.idle.pop(0 if self.is_fair else -1)
        try:
            yield found
        finally:
            self.idle.append(found)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection of a client."""
        yield cast("Connection", PooledConnection(self))


class PooledConnection:
    """A client's connection, as far as commands use it."""

    broken = False

    def __init__(self, pooler: Pooler) -> None:
        self._pooler = pooler
        self._session: Connection | None = None

    def execute(self, *statement: Any, **options: Any) -> Any:
        with self._use() as session:
            return session.execute(*statement, **options)

    @contextmanager
    def cursor(self, **options: Any) -> Iterator[Any]:
        with self._use() as session, session.cursor(**options) as cursor:
            yield cursor

    @contextmanager
    def _use(self) -> Iterator[Connection]:
        """Yield the session of the transaction, or one for a single statement."""
        if self._session is not None:
            yield self._session
            return
        with self._pooler.session() as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._pooler.session() as self._session, self._session.transaction():
            yield
        self._session = None


@pytest.fixture
def clinic(database: OwnDatabase) -> Iterator[Clinic]:
    with Clinic(database, "key").with_table() as clinic:
        yield clinic


def test_connection_of_its_own_keeps_its_session(clinic: Clinic) -> None:
    with clinic.connect() as connection:
        session_check.check(connection, clinic.connect)


@pytest.mark.parametrize(
    ("limit", "idle"), [(limit, idle) for limit in (1, 2, 10) for idle in range(min(limit, 3) + 1)]
)
@pytest.mark.parametrize("is_fair", [False, True])
def test_pooler_by_transactions_is_found(
    database: OwnDatabase, limit: int, idle: int, *, is_fair: bool
) -> None:
    pooler = Pooler(database, limit, is_fair)
    pooler.sessions = [database.connect() for _ in range(idle)]
    pooler.idle = [*pooler.sessions]
    with (
        pooler.connect() as connection,
        pytest.raises(ConfigurationError, match="connect to the data"),
    ):
        session_check.check(connection, pooler.connect)
    assert len(pooler.idle) == len(pooler.sessions)
    pooler.close()


def test_command_behind_a_pooler_by_transactions_changes_nothing(clinic: Clinic) -> None:
    before, pooler = clinic.columns(), Pooler(clinic.database)
    context = replace(clinic.context(), connect=pooler.connect)
    with pytest.raises(ConfigurationError, match="behind a pooler"):
        Course(context, clinic.run, clinic.stages.append).advance(Stage.GUARDED)
    locks = clinic.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert (locks, clinic.columns()) == ([(0,)], before)
    pooler.close()
