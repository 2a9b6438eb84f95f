"""Query load on the database: threads that send queries, and a tally of the results."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import psycopg
from django.db import Error as DjangoError
from psycopg_pool import PoolTimeout
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from app_integration.database import (
    CredentialProvider,
    LeasedCredentials,
    LeasedPool,
    leased_engine,
)
from tests.support.databases.database import Database, eventually

THREADS = 16
SESSION_USER = "SELECT session_user"
#: Errors of a failed query. Any other error ends its thread, and pytest reports it.
FAILURES = (psycopg.Error, SQLAlchemyError, PoolTimeout, DjangoError)
SHOWN_FAILURES = 5
PAUSE = 0.02  # seconds from the first query under a new user to the next rotation


@dataclass
class Tally:
    users: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    replaced_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record_success(self, user: str) -> None:
        with self._lock:
            if user not in self.users:
                self.replaced_at = time.monotonic()
            self.users[user] += 1

    def record_failure(self, error: Exception) -> None:
        with self._lock:
            text = " ".join(str(error).split())
            self.failures.append(f"{type(error).__name__}: {text}")

    def has(self, user: str, count: int) -> bool:
        """Return whether more than *count* queries of *user* succeeded."""
        return self.users[user] > count

    def describe_failures(self) -> str:
        """Return the number of failed queries and the first errors, one per line."""
        shown = self.failures[:SHOWN_FAILURES]
        return "\n".join([f"{len(self.failures)} queries failed:", *shown])

    def reset(self) -> float:
        """Clear :attr:`failures` and :attr:`replaced_at`, and return the time."""
        with self._lock:
            self.failures, self.replaced_at = [], None
            return time.monotonic()


def query_function(
    kind: str, users: CredentialProvider, url: str, stack: ExitStack
) -> Callable[[], str]:
    """Return a function that queries the session's user with leased credentials."""
    if kind == "engine":
        engine = leased_engine(users, url, pool_size=THREADS, max_overflow=0)
        stack.callback(engine.dispose)
        return partial(_query_engine, engine)
    pool = stack.enter_context(LeasedPool(users, url, min_size=4, max_size=THREADS))
    return partial(_query_pool, pool)


def _query_engine(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text(SESSION_USER)).scalar())


def _query_pool(pool: LeasedPool) -> str:
    with pool.connection() as connection:
        return str(connection.execute(SESSION_USER).fetchone()[0])


@contextmanager
def repeating(
    steps: Iterable[Callable[[], object]], finish: Callable[[], object] | None = None
) -> Iterator[None]:
    """Repeat each of *steps* in a thread of its own, without a pause, until the block ends."""
    stopped = threading.Event()

    def work(step: Callable[[], object]) -> None:
        try:
            while not stopped.is_set():
                step()
        finally:
            if finish is not None:
                finish()

    threads = [threading.Thread(target=work, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


@contextmanager
def query_load(
    query: Callable[[], str], finish: Callable[[], object] | None = None
) -> Iterator[Tally]:
    """Call *query* from :data:`THREADS` threads, without a pause, until the block ends."""
    tally = Tally()

    def step() -> None:
        try:
            tally.record_success(query())
        except FAILURES as error:
            tally.record_failure(error)

    with repeating([step] * THREADS, finish):
        yield tally


def rotate(users: LeasedCredentials, tally: Tally, count: int) -> None:
    """Force *count* rotations, each after a query under the previous user succeeded."""
    for _ in range(count):
        user = users.rotate().username
        assert eventually(partial(_is_used_or_replaced, users, tally, user))
        time.sleep(PAUSE)


def _is_used_or_replaced(users: LeasedCredentials, tally: Tally, user: str) -> bool:
    return tally.has(user, 0) or users.current().username != user


def rotate_under_load(
    query: Callable[[], str],
    users: LeasedCredentials,
    database: Database,
    rotations: int,
    finish: Callable[[], object] | None = None,
) -> Tally:
    with query_load(query, finish) as tally:
        # The last rotation is not forced. It happens when the lease cannot be renewed any longer.
        rotate(users, tally, rotations - 1)
        last = users.current().username
        assert eventually(lambda: users.current().username != last)
        last = users.current().username
        assert eventually(partial(tally.has, last, 0))
    assert not tally.failures, tally.describe_failures()
    assert len(tally.users) >= rotations
    assert eventually(lambda: database.leased_users() <= {users.current().username})
    assert database.dropped_users_sessions() == 0
    return tally
