"""Benchmark of the ingest of an audit log against DuckDB's own scan of the same columns.

    python -m benchmarks.audit [--lines 1000000] [--turns 5] [--folder DIR]

The floor reads each column of each line, as any ingest through DuckDB must. The ingest also counts
the lines, writes the columns as Parquet, makes them durable, and checks what it has written.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.ratio import FOLDER, Case, repeated, run_cases
from vault.audit import event_columns
from vault.audit.ingest.conversion import MEMORY
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.source import Source

LINES: Final = 1_000_000
TURNS: Final = 5
#: Share of the floor's speed.
BAR: Final = 1 / 0.6
_START: Final = datetime(2026, 11, 28, tzinfo=UTC)
_SERVICES: Final = 50


@contextmanager
def cases(lines: int = LINES, folder: Path | None = None) -> Iterator[Iterator[Case]]:
    """Yield the case."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="strongroom-bench-") as own:
        log = Path(own) / "audit-1.log"
        write_log(log, lines)
        subject = repeated(lambda: run_ingest(log, Path(own) / "store"))
        floor = repeated(lambda: scan(log))
        yield iter([Case("audit ingest", subject, floor, "DuckDB's scan", BAR, calls=1)])


@contextmanager
def few_lines() -> Iterator[Iterator[Case]]:
    """Yield the case with a log that is written in a second."""
    with cases(200_000) as each:
        yield each


def run_ingest(log: Path, store: Path) -> None:
    """Ingest *log* into a new store."""
    shutil.rmtree(store, ignore_errors=True)
    ingest([Source.server_log(log)], store)


def scan(log: Path) -> None:
    """Read each column of each line."""
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in event_columns.LINES.columns.items())
    source = f"read_json('{log}', format = 'newline_delimited', columns = {{{columns}}})"
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute("SET enable_progress_bar = false")
        query = f"SELECT max(COLUMNS(*)) FROM ({event_columns.select_lines(source)})"  # noqa: S608 (own names)
        connection.execute(query).fetchall()


def write_log(log: Path, lines: int) -> None:
    """Write a log of *lines*: reads of secrets, the request and the response of each."""
    numbers = random.Random(1)  # noqa: S311 (the same log each time)
    pairs = [_pair(numbers, f"service-{number}") for number in range(_SERVICES)]
    with log.open("wb") as file:
        for number in range(0, lines, 2):
            time = (_START + timedelta(milliseconds=number)).isoformat().removesuffix("+00:00")
            identity = f"00000000-0000-0000-0000-{number:012}"
            for head, tail in numbers.choice(pairs):
                file.write(f'{{"time":"{time}Z",{head}{identity}{tail}\n'.encode())


def _pair(numbers: random.Random, service: str) -> list[tuple[str, str]]:
    """Return a request and a response, each as what is before and after the id."""
    auth, request = _auth(numbers, service), _request(numbers, service)
    metadata = {"created_time": _hmac(numbers), "destroyed": False, "version": 3}
    data = {"data": {"value": _hmac(numbers)}, "metadata": metadata}
    response = {"mount_class": "secret", "mount_type": "kv", "data": data}
    lines = [
        {"type": "request", "auth": auth, "request": request},
        {"type": "response", "auth": auth, "request": request, "response": response},
    ]
    split = [json.dumps(line, separators=(",", ":"))[1:].split("ID") for line in lines]
    return [(head, tail) for head, tail in split]


def _auth(numbers: random.Random, service: str) -> dict[str, Any]:
    policy = {"name": service, "namespace_id": "root", "type": "acl"}
    return {
        "client_token": _hmac(numbers),
        "accessor": _hmac(numbers),
        "display_name": "approle",
        "policies": [service],
        "token_policies": [service],
        "policy_results": {"allowed": True, "granting_policies": [policy]},
        "metadata": {"role_name": service, "host": "web-1"},
        "entity_id": f"{numbers.getrandbits(128):032x}",
        "token_type": "service",
        "token_ttl": 3600,
        "token_issue_time": "2026-11-28T00:00:00Z",
    }


def _request(numbers: random.Random, service: str) -> dict[str, Any]:
    return {
        "id": "ID",
        "client_id": f"{numbers.getrandbits(128):032x}",
        "operation": "read",
        "mount_point": "secret/",
        "mount_type": "kv",
        "mount_accessor": "kv_645be734",
        "mount_running_version": "v2.7.2+builtin.bao",
        "mount_class": "secret",
        "client_token": _hmac(numbers),
        "client_token_accessor": _hmac(numbers),
        "namespace": {"id": "root"},
        "path": f"secret/data/{service}/prod/database-url",
        "remote_address": f"10.0.0.{numbers.randrange(256)}",
        "remote_port": 36532,
    }


def _hmac(numbers: random.Random) -> str:
    return f"hmac-sha256:{numbers.getrandbits(256):064x}"


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS, ("--lines", int, LINES, "lines"), FOLDER))
