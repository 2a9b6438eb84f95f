"""Life of a pool whose connections need no server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Self, cast

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolClosed

from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.database.pool import LeasedPool
from app_integration.secret import Secret


class Provider:
    """A provider of one user, which stays current."""

    def register_pool(self, pool: object) -> None:
        """Do nothing, because no user is replaced."""

    def connect(self, open_: Callable[[Credentials], Any]) -> Any:
        return open_(Credentials("ada", Secret("tok-9f8e7d6c5b4a3f")))

    def is_current(self, _: str) -> bool:
        return True


class Connection:
    """A connection as the pool sees it."""

    def __init__(self) -> None:
        self.info = SimpleNamespace(user="ada")
        self.pgconn = SimpleNamespace(transaction_status=TransactionStatus.IDLE)

    @classmethod
    def connect(cls, _: str = "", **_options: object) -> Self:
        return cls()

    def close(self) -> None:
        self.pgconn.transaction_status = TransactionStatus.UNKNOWN

    @property
    def is_closed(self) -> bool:
        return bool(self.pgconn.transaction_status == TransactionStatus.UNKNOWN)


@pytest.fixture
def pool() -> Iterator[LeasedPool]:
    kind: Any = Connection
    pool = LeasedPool(
        cast("CredentialProvider", Provider()),
        "postgresql://db.invalid/x",
        min_size=0,
        max_size=1,
        timeout=5.0,
        check=None,
        connection_class=kind,
    )
    yield pool
    pool.close()


def test_disposed_pool_opens_again_at_its_next_use(pool: LeasedPool) -> None:
    pool.putconn(pool.getconn())
    pool.dispose()
    assert pool.closed
    pool.putconn(pool.getconn())
    pool.close()
    with pytest.raises(PoolClosed):
        pool.getconn()


def test_pool_that_its_caller_closes_after_dispose_stays_closed(pool: LeasedPool) -> None:
    pool.dispose()
    pool.close()
    with pytest.raises(PoolClosed, match="already closed"):
        pool.getconn()
    with pytest.raises(psycopg.OperationalError):
        pool.open()
    pool.dispose()
    assert pool.closed


@pytest.mark.parametrize("is_ended", [True, False], ids=["ended by the server", "still open"])
def test_connection_in_use_across_dispose_is_not_added(pool: LeasedPool, is_ended: bool) -> None:
    before = pool.getconn()
    pool.dispose()
    pool.putconn(pool.getconn())
    if is_ended:
        before.close()
    pool.putconn(before)
    assert before.is_closed
    time.sleep(0.1)  # so that a worker could have added another
    assert pool.get_stats()["pool_available"] == 1
