"""A cluster of three real servers whose leader is killed while sessions read and write."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import ServerError
from app_integration.session.session import Session
from app_integration.settings import Limits
from tests.support.polling import wait_until
from tests.support.servers.kv_mount import create_kv_mount
from tests.support.servers.raft_cluster import Cluster, raft_cluster

pytestmark = pytest.mark.requires("embedded")

READERS = 8
#: Seconds between two calls of a thread: the servers share the machine with them.
PAUSE = 0.02
PATH = "kv/data/x"
LIMITS = Limits()


@dataclass(frozen=True)
class Read:
    """One call: the value, or None after an error, and its duration in seconds."""

    value: str | None
    took: float
    ended: float


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with raft_cluster(tmp_path) as running:
        create_kv_mount(running.root, "kv")
        wait_until(lambda: _written(running), "a first value")
        yield running


def _written(cluster: Cluster) -> bool:
    try:
        cluster.root.post(PATH, {"data": {"value": "one"}})
    except ServerError:
        return False
    return True


def read_until(session: Session, over: threading.Event) -> list[Read]:
    reads = []
    while not over.wait(PAUSE):
        begun = time.monotonic()
        try:
            value = session.get(PATH)["data"]["data"]["value"]
        except ServerError:
            value = None
        reads.append(Read(value, time.monotonic() - begun, time.monotonic()))
    return reads


def write_until(session: Session, over: threading.Event) -> list[int]:
    """Write numbers until *stop* is set; return those that the server acknowledged."""
    acknowledged = []
    number = 0
    while not over.wait(PAUSE):
        number += 1
        try:
            session.post(f"kv/data/{number}", {"data": {"value": str(number)}})
        except ServerError:
            continue
        acknowledged.append(number)
    return acknowledged


def test_cluster_with_killed_leader_returns_right_values_within_deadline(
    cluster: Cluster,
) -> None:
    leader = cluster.leader()
    assert leader is not None
    first, *further = [leader.address, *(set(cluster.addresses) - {leader.address})]
    login = StaticToken(cluster.root_token)
    over = threading.Event()
    with (
        Session(first, login, extra_addresses=further, limits=LIMITS) as session,
        ThreadPoolExecutor(READERS + 1) as pool,
    ):
        reading = [pool.submit(read_until, session, over) for _ in range(READERS)]
        writing = pool.submit(write_until, session, over)
        try:
            over.wait(1.0)
            leader.process.kill()
            wait_until(lambda: cluster.leader() is not None, "another leader", 60)
            elected = time.monotonic()
            over.wait(1.0)
        finally:
            over.set()
        reads = [each for future in reading for each in future.result()]
        acknowledged = writing.result()
    # Read from the leader, because a standby answers reads too and may be behind.
    ahead = cluster.leader()
    assert ahead is not None
    with Session(ahead.address, login) as session:
        lost = [number for number in acknowledged if not _holds(session, number)]
    assert {each.value for each in reads} <= {"one", None}
    assert max(each.took for each in reads) < LIMITS.deadline * 1.1
    assert all(each.value for each in reads if each.ended - each.took > elected + PAUSE)
    assert [each for each in reads if each.ended > elected]
    assert lost == []
    assert acknowledged


def _holds(session: Session, number: int) -> bool:
    return bool(session.get(f"kv/data/{number}")["data"]["data"]["value"] == str(number))
