"""Apply is killed after each of its writes in turn: another apply always gets to the same end.

Each run has a namespace of its own on one server (OpenBao's; the calls inside are the same), and a
database manager of its own on one PostgreSQL.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psycopg
import pytest

from app_integration.errors import RequestRefused
from app_integration.secret import Secret
from tests.deployment import Deployment
from tests.dev_server import ROOT_TOKEN, dev_server, root
from tests.kill_worker import InNamespace, run, wanted
from vault.reconcile.compare import compare
from vault.runtime.accounts import SUPERUSER

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
#: Runs at the same time, and requests at once in each: one, so that the k-th write is always the
#: same.
RUNS, WORKERS = 2, 1
MANAGER_PASSWORD = "given-to-the-manager"
SUPPLY = {
    "database/config/gaara-store-dev": MANAGER_PASSWORD,
    "auth/userpass/users/developer": "given-to-the-developer",
    "secret/gaara-store/dev/database-url": "postgresql://a",
    "secret/gaara-store/dev/redis-url": "redis://b",
    "secret/gaara-store/dev/smtp-password": "c",
}


@dataclass
class Bench:
    """A server, a database, and processes to be killed."""

    address: str
    database: int
    superuser: str = field(repr=False)
    workers: SimpleQueue[subprocess.Popen[str]] = field(repr=False)

    def prepare(self, namespace: str) -> None:
        """A namespace, and the database manager that is used in it."""
        with root(self.address) as session:
            session.post(f"sys/namespaces/{namespace}")
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            role = f"CREATE ROLE {namespace}_manager LOGIN CREATEROLE IN ROLE gaara_store_owner"
            connection.execute(f"{role} PASSWORD '{MANAGER_PASSWORD}'".encode())

    def apply_and_die(self, namespace: str, kill_after: int, workers: int) -> int:
        """The signal that ended it; 0 when it came to its end."""
        worker = self.workers.get()
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(f"{namespace} {kill_after} {workers}\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        self.workers.put(worker)
        return int(answer)

    def password(self, namespace: str) -> str:
        """What the database keeps of the manager's password."""
        with psycopg.connect(self.superuser) as connection:
            row = connection.execute(
                "SELECT rolpassword FROM pg_authid WHERE rolname = %s", (f"{namespace}_manager",)
            ).fetchone()
        assert row
        return str(row[0])

    def session(self, namespace: str) -> InNamespace:
        return InNamespace(self.address, ROOT_TOKEN, namespace)


@pytest.fixture(scope="module")
def bench(deployment: Deployment) -> Iterator[Bench]:
    passwords = deployment.layout.passwords
    superuser = (
        f"postgresql://{SUPERUSER}:{(passwords / 'database-superuser').read_text().strip()}"
        f"@127.0.0.1:{deployment.ports.database}/postgres"
    )
    with dev_server() as address:
        settings = {
            "address": address,
            "token": ROOT_TOKEN,
            "database": deployment.ports.database,
            "supply": SUPPLY,
        }
        started = [_worker(settings) for _ in range(RUNS)]
        queue: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for worker in started:
            queue.put(worker)
        yield Bench(address, deployment.ports.database, superuser, queue)
        for worker in started:
            worker.communicate()
    with psycopg.connect(superuser, autocommit=True) as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^k[0-9]'")
        for (name,) in rows.fetchall():
            connection.execute(f"DROP ROLE {name}".encode())


def _worker(settings: dict[str, Any]) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.kill_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert worker.stdin
    worker.stdin.write(json.dumps(settings) + "\n")
    worker.stdin.flush()
    return worker


def end_state(bench: Bench, namespace: str) -> dict[str, Any]:
    """All that is declared as the server has it, and how often each value was written."""
    with bench.session(namespace) as session:
        state: dict[str, Any] = {}
        for resource in wanted(namespace, bench.database, SUPPLY):
            found = resource.read(session)
            # Versions tell of writes that a killed run had to do twice; the texts are compared.
            fields = {key: str(value) for key, value in (found or {}).items() if key != "version"}
            state[f"{resource.kind} {resource.name}"] = fields
            if resource.kind == "secret-value":
                data = session.get(f"secret/metadata/{resource.name}")["data"]
                state[f"versions of {resource.name}"] = data["current_version"]
    text = json.dumps(state).replace(f"{namespace}_", "_")
    neutral: dict[str, Any] = json.loads(text)
    return neutral


def applied(bench: Bench, namespace: str) -> int:
    """A run that nobody kills; the number of its writes."""
    bench.prepare(namespace)
    with bench.session(namespace) as session:
        run(session, wanted(namespace, bench.database, SUPPLY), WORKERS)
        return session.writes


def recovered(bench: Bench, kill_after: int, workers: int) -> dict[str, Any]:
    """The end state of an apply that was killed, and run again by one that wasn't."""
    namespace = f"k{kill_after}w{workers}"
    bench.prepare(namespace)
    initial = bench.password(namespace)
    assert bench.apply_and_die(namespace, kill_after, workers) == signal.SIGKILL
    after_kill = bench.password(namespace)
    with bench.session(namespace) as session:
        resources = wanted(namespace, bench.database, SUPPLY)
        run(session, resources, WORKERS)
        assert compare(session, resources).changes == ()
    password = bench.password(namespace)
    assert password != initial
    assert after_kill in {initial, password}, "the database password was rotated twice"
    return end_state(bench, namespace)


@pytest.fixture(scope="module")
def clean(bench: Bench) -> tuple[int, dict[str, Any]]:
    """The writes of a run that nobody kills, and its end state."""
    writes = applied(bench, "k0")
    return writes, end_state(bench, "k0")


def test_after_a_kill_at_any_write_the_next_apply_ends_the_same(
    bench: Bench, clean: tuple[int, dict[str, Any]]
) -> None:
    writes, state = clean
    assert writes > 60
    with ThreadPoolExecutor(RUNS) as pool:
        ends = list(pool.map(lambda k: recovered(bench, k, WORKERS), range(1, writes + 1)))
    assert ends == [state] * writes


@pytest.mark.parametrize("kill_after", [20, 40, 60])
def test_a_kill_among_many_requests_at_once_is_survived_too(
    bench: Bench, clean: tuple[int, dict[str, Any]], kill_after: int
) -> None:
    assert recovered(bench, kill_after, 8) == clean[1]


def test_what_a_killed_apply_made_is_known_to_be_ours(bench: Bench) -> None:
    bench.prepare("k1000")
    assert bench.apply_and_die("k1000", 50, 1) == signal.SIGKILL
    with bench.session("k1000") as session:
        for kind, path in {"policy": "sys/policies/acl", "approle": "auth/approle/role"}.items():
            noted = session.list(f"secret/metadata/_strongroom/dev/{kind}")
            made = {*session.list(path)} - {"default", "root"}
            assert made <= {*noted}


def test_a_value_is_never_written_twice(bench: Bench, clean: tuple[int, dict[str, Any]]) -> None:
    versions = {key: value for key, value in clean[1].items() if key.startswith("versions of")}
    assert set(versions.values()) == {1}
    with bench.session("k0") as session, pytest.raises(RequestRefused):
        session.post(
            "secret/data/gaara-store/dev/jwt-secret",
            {"data": {"value": Secret("x").reveal()}, "options": {"cas": 0}},
        )
