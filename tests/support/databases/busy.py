"""Threads that ask the database all the time, and count what came of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import psycopg
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
WHO = "SELECT session_user"
#: A query that failed; anything else ends its thread, and pytest tells.
FAILURES = (psycopg.Error, SQLAlchemyError, PoolTimeout)
TOLD = 5  # failures that are told
PAUSE = 0.02  # seconds from the first query under a new user to the next rotation


@dataclass
class Tally:
    """What all threads did.

    Attributes:
        users: queries that were answered, by user.
        failures: texts of those that failed.
        follower_at: when the first was answered under a user seen never before, on the monotonic
            clock.

    """

    users: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    follower_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, user: str) -> None:
        with self._lock:
            if user not in self.users:
                self.follower_at = time.monotonic()
            self.users[user] += 1

    def failed(self, error: Exception) -> None:
        with self._lock:
            text = " ".join(str(error).split())
            self.failures.append(f"{type(error).__name__}: {text}")

    def has(self, user: str, count: int) -> bool:
        """Whether more than *count* queries were answered under *user*."""
        return self.users[user] > count

    def told(self) -> str:
        """How many failed, and the first of them, a line each."""
        return "\n".join([f"{len(self.failures)} queries failed:", *self.failures[:TOLD]])

    def begin(self) -> float:
        """Forget failures and follower; the time."""
        with self._lock:
            self.failures, self.follower_at = [], None
            return time.monotonic()


def asking(kind: str, users: CredentialProvider, url: str, stack: ExitStack) -> Callable[[], str]:
    """A query through an ``engine`` or ``pool`` with room for all threads; *stack* closes it."""
    if kind == "engine":
        engine = leased_engine(users, url, pool_size=THREADS, max_overflow=0)
        stack.callback(engine.dispose)
        return partial(_ask_engine, engine)
    pool = stack.enter_context(LeasedPool(users, url, min_size=4, max_size=THREADS))
    return partial(_ask_pool, pool)


def _ask_engine(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text(WHO)).scalar())


def _ask_pool(pool: LeasedPool) -> str:
    with pool.connection() as connection:
        return str(connection.execute(WHO).fetchone()[0])


@contextmanager
def busy(ask: Callable[[], str]) -> Iterator[Tally]:
    """Have *ask* called by :data:`THREADS` threads, without a pause, until the block ends."""
    tally, over = Tally(), threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                tally.answered(ask())
            except FAILURES as error:
                tally.failed(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield tally
    finally:
        over.set()
        for thread in threads:
            thread.join()


def rotate(users: LeasedCredentials, tally: Tally, count: int) -> None:
    """Force *count* rotations, the next only when a query was answered under the last."""
    for _ in range(count):
        user = users.rotate().username
        assert eventually(partial(_seen_or_gone, users, tally, user))
        time.sleep(PAUSE)


def _seen_or_gone(users: LeasedCredentials, tally: Tally, user: str) -> bool:
    return tally.has(user, 0) or users.current().username != user


def lose_no_query(
    ask: Callable[[], str], users: LeasedCredentials, database: Database, rotations: int
) -> Tally:
    """Rotate that often under load: no query fails, and old users go as they fall idle."""
    with busy(ask) as tally:
        # The last one by itself: its lease is renewed until that is cut short.
        rotate(users, tally, rotations - 1)
        last = users.current().username
        assert eventually(lambda: users.current().username != last)
        last = users.current().username
        assert eventually(partial(tally.has, last, 0))
    assert not tally.failures, tally.told()
    assert len(tally.users) >= rotations
    assert eventually(lambda: database.leased() <= {users.current().username})
    assert database.ghosts() == 0
    return tally
