"""Benchmark of the SDK's overhead: on cached reads, on uncached reads, and on start-up.

    python -m benchmarks.sdk

The floors are AWS's caching client on a local server, a dict behind a lock, a pooled GET, and the
import of hvac.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import boto3
import urllib3
from aws_secretsmanager_caching import SecretCache
from moto.server import ThreadedMotoServer

from app_integration import aget_secret, default_client, get_secret
from app_integration.testing.application import Application, application_on_server
from app_integration.testing.dev_server import RealServer, real_server
from benchmarks.ratio import Case, Run, repeated, run_cases

NAME: Final = "jwt-secret"
VALUE: Final = "a-signing-key-of-thirty-two-byte"
TURNS: Final = 7
IMPORTS: Final = 5  # processes in one turn
READS: Final = 200  # requests in one turn


@contextmanager
def cases() -> Iterator[Iterator[Case]]:
    """Run the servers and yield the cases."""
    with ExitStack() as stack:
        server = stack.enter_context(real_server("embedded"))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        app = stack.enter_context(application_on_server(server.address, server.root_token, folder))
        app.put(NAME, VALUE)
        yield _cases(app, server, stack.enter_context(_aws()))


def _cases(app: Application, server: RealServer, aws: Run) -> Iterator[Case]:
    settings = app.client.settings
    floor = "AWS's caching client"
    yield Case("cached get_secret, each", _cached(), aws, floor, bar=0.1)
    default_client.configure(replace(settings, audit_mode="aggregate"))
    yield Case("cached get_secret, aggregate", _cached(), _locked(), "dict behind a lock", bar=8)
    floor = "coroutine with such a dict"
    yield Case(
        "cached aget_secret, aggregate", _awaited(aget_secret), _awaited_dict(), floor, bar=8
    )
    path = f"secret/data/{app.scope.service}/{app.scope.environment}/{NAME}"
    with _pooled(server, path) as pooled:
        fetch = repeated(lambda: app.operator.get(path))
        yield Case("uncached read", fetch, pooled, "pooled GET of urllib3", bar=1.15, calls=READS)
    ours, theirs = _import_in_process("app_integration"), _import_in_process("hvac")
    yield Case("import app_integration", ours, theirs, "import hvac", bar=1.5, calls=IMPORTS)


def _cached() -> Run:
    get_secret(NAME)
    return repeated(lambda: get_secret(NAME))


def _awaited(read: Callable[[str], Awaitable[object]]) -> Run:
    async def run(times: int) -> None:
        for _ in range(times):
            await read(NAME)

    asyncio.run(run(1))
    return lambda times: asyncio.run(run(times))


def _awaited_dict() -> Run:
    values, lock = {NAME: VALUE}, threading.Lock()

    async def read(name: str) -> str:
        with lock:
            return values[name]

    return _awaited(read)


def _locked() -> Run:
    values, lock = {NAME: VALUE}, threading.Lock()

    def read() -> str:
        with lock:
            return values[NAME]

    return repeated(read)


@contextmanager
def _pooled(server: RealServer, path: str) -> Iterator[Run]:
    url, headers = f"{server.address}/v1/{path}", {"X-Vault-Token": server.root_token}
    with urllib3.PoolManager() as pool:
        yield repeated(lambda: pool.request("GET", url, headers=headers).json())


@contextmanager
def _aws() -> Iterator[Run]:
    """Yield a cached read of AWS's own client, on a local server that imitates its service."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # because it logs each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "secretsmanager",
            endpoint_url=f"http://{host}:{port}",
            region_name="eu-central-1",
            aws_access_key_id="invented",
            aws_secret_access_key="invented",  # noqa: S106 (the local server accepts any)
        )
        with closing(client):
            client.create_secret(Name=NAME, SecretString=VALUE)
            cache = SecretCache(client=client)
            cache.get_secret_string(NAME)
            yield repeated(lambda: cache.get_secret_string(NAME))
    finally:
        server.stop()


def _import_in_process(module: str) -> Run:
    code = f"import {module}"

    def run(times: int) -> None:
        for _ in range(times):
            subprocess.run([sys.executable, "-c", code], check=True)

    return run


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS))
