"""The SDK's ``database_engine()`` on AWS, while the function rotates its user."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine, NullPool

from local.servers.accounts import DatabaseAccounts
from tests.support.servers import secret_backends
from tests.support.servers.rotation_site import Function, pair_secret
from tests.support.servers.secret_backends import AwsSite

pytestmark = pytest.mark.requires("embedded")

THREADS: Final = 8
ROTATIONS: Final = 20
PAUSE: Final = 0.05  # seconds between two queries of a thread


def query(engine: Engine, stopping: threading.Event) -> int:
    """Query until *stopping* is set, each time over a connection of its own."""
    done = 0
    while not stopping.wait(PAUSE):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        done += 1
    return done


def test_no_query_fails_during_twenty_rotations(
    function: Function, aws_site: AwsSite, accounts: DatabaseAccounts, tmp_path: Path
) -> None:
    """Rotate much faster than any cache expires, so that each cached password ends in use."""
    with secret_backends.aws(aws_site, tmp_path) as backend:
        secret = pair_secret(function, aws_site, accounts, backend.scope)
        engine = backend.client.databases.engine(None, None, poolclass=NullPool)
        stopping = threading.Event()
        with ThreadPoolExecutor(THREADS) as pool:
            queries = [pool.submit(query, engine, stopping) for _ in range(THREADS)]
            try:
                for _ in range(ROTATIONS):
                    secret.rotate()
            finally:
                stopping.set()
            assert sum(each.result(30) for each in queries) > ROTATIONS
