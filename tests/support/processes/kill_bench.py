"""Test bench for killed applies: a server, a database, and processes that kill themselves.

Each run has a namespace of its own on one server, and a database manager of its own on one
PostgreSQL. Namespaces are OpenBao's; requests inside them are the same as without one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import psycopg

from app_integration.names import Environment, Scope
from app_integration.sources.vault import VaultSource
from local.servers.accounts import SUPERUSER
from tests.support.processes.kill_worker import (
    ADOPTED,
    USER_PASSWORD,
    Job,
    NamespacedSession,
    quick_stretching,
)
from tests.support.servers.deployment import Deployment
from tests.support.servers.dev_server import ROOT_TOKEN, dev_server, root

ROOT: Final = Path(__file__).parents[3]
PARALLEL_RUNS: Final = 2
MANAGER_PASSWORD: Final = "given-to-the-manager"
INPUTS: Final = {
    "database/config/gaara-store-dev": MANAGER_PASSWORD,
    "auth/userpass/users/developer": "given-to-the-developer",
    "auth/userpass/users/leaver": "given-to-the-leaver",
    "secret/gaara-store/dev/database-url": "postgresql://a",
    "secret/gaara-store/dev/redis-url": "redis://b",
    "secret/gaara-store/dev/smtp-password": "c",
}


@dataclass
class Bench:
    """A server, the port of a database, and processes that apply."""

    address: str
    database: int
    superuser: str = field(repr=False)
    workers: SimpleQueue[subprocess.Popen[str]] = field(repr=False)

    def create_namespace(self, namespace: str) -> None:
        with root(self.address) as session:
            session.post(f"sys/namespaces/{namespace}")
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            role, user = f"{namespace}_manager", f"{namespace}_app"
            for statement in (
                f"CREATE ROLE {role} LOGIN CREATEROLE PASSWORD '{MANAGER_PASSWORD}'",
                f"GRANT gaara_store_owner TO {role} WITH ADMIN OPTION",
                f"ALTER ROLE {role} SET createrole_self_grant = 'set, inherit'",
                f"CREATE ROLE {user} LOGIN PASSWORD '{USER_PASSWORD}'",
                f"GRANT {user} TO {role} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
            ):
                connection.execute(statement.encode())

    def apply_in_child(self, job: Job) -> int:
        worker = self.workers.get()
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(f"{json.dumps(asdict(job))}\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        self.workers.put(worker)
        return int(answer)

    def users(self) -> set[str]:
        with psycopg.connect(self.superuser) as connection:
            return {name for (name,) in connection.execute("SELECT usename FROM pg_user")}

    def password(self, namespace: str, user: str = "manager") -> str:
        with psycopg.connect(self.superuser) as connection:
            row = connection.execute(
                "SELECT rolpassword FROM pg_authid WHERE rolname = %s", (f"{namespace}_{user}",)
            ).fetchone()
        assert row
        return str(row[0])

    def can_log_in(self, namespace: str) -> bool:
        """Return whether a service can log in to the database with the adopted secret."""
        with self.session(namespace) as session:
            value = VaultSource(session, Scope("gaara-store", Environment.DEV)).fetch(ADOPTED).value
        with psycopg.connect(value.reveal()) as connection:
            row = connection.execute("SELECT session_user").fetchone()
        return row == (f"{namespace}_app",)

    def close_database(self, namespace: str) -> None:
        """Delete the connection of *namespace* to the database, which accepts about 100 of them."""
        with self.session(namespace) as session:
            session.delete("database/config/gaara-store-dev")

    def session(self, namespace: str) -> NamespacedSession:
        return NamespacedSession(self.address, ROOT_TOKEN, namespace)


@contextmanager
def kill_bench(deployment: Deployment) -> Iterator[Bench]:
    """Start a bench on the database of *deployment*, and stop it when the block ends."""
    passwords = deployment.layout.passwords
    superuser = (
        f"postgresql://{SUPERUSER}:{(passwords / 'database-superuser').read_text().strip()}"
        f"@127.0.0.1:{deployment.ports.database}/postgres"
    )
    with dev_server() as address, quick_stretching():
        settings = {
            "address": address,
            "token": ROOT_TOKEN,
            "database": deployment.ports.database,
            "inputs": INPUTS,
        }
        started = [_worker(settings) for _ in range(PARALLEL_RUNS)]
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


def _worker(settings: Mapping[str, Any]) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.support.processes.kill_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert worker.stdin
    worker.stdin.write(json.dumps(settings) + "\n")
    worker.stdin.flush()
    return worker
