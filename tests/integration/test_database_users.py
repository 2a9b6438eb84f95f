"""Credentials of pools and engines: rotation, external credentials, forks, unclosed leases."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool, PoolClosed
from sqlalchemy import text

import app_integration
from app_integration import database_engine, database_pool
from app_integration.client import Client
from app_integration.database import Credentials, LeasedCredentials, LeasedPool
from app_integration.errors import AccessDenied, ConfigurationError
from tests.support.databases.database import ROLE, Database, eventually
from tests.support.databases.query_load import SESSION_USER
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

ROOT = Path(__file__).parents[2]
LEAKY = f"""
from app_integration import default_client
from app_integration.database import LeasedCredentials
users = LeasedCredentials(default_client.get_default_client().session, {ROLE!r})
users.current()
"""


@pytest.fixture
def users(service: Client) -> Iterator[LeasedCredentials]:
    provider = LeasedCredentials(service.session, ROLE, background=False)
    yield provider
    provider.close()


def session_user(pool: ConnectionPool[Any]) -> str:
    with pool.connection() as connection:
        return str(connection.execute(SESSION_USER).fetchone()[0])


def test_pool_closes_connections_of_a_replaced_lease_until_it_is_revoked(
    users: LeasedCredentials, service: Client, database: Database
) -> None:
    url = service.secrets.get("database-url")
    with LeasedPool(users, url, min_size=2, max_size=2) as pool:
        pool.wait()
        with pool.connection() as used:
            first = used.execute(SESSION_USER).fetchone()[0]
            second = users.rotate().username
            users.maintain()
            assert users.open_connections(first) == 1  # the idle one was closed
            assert first in database.leased_users()
            assert session_user(pool) == second
            assert used.execute(SESSION_USER).fetchone()[0] == first
        assert eventually(lambda: users.open_connections(first) == 0)
        users.maintain()
        assert eventually(lambda: first not in database.leased_users())
        assert session_user(pool) == second


def test_pool_with_terminated_connections_waits_under_half_a_second(
    users: LeasedCredentials, service: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    for module in ("app_integration.database.pool", "psycopg_pool.pool"):
        monkeypatch.setattr(f"{module}.sleep", pauses.append)
    terminated: list[int] = []

    def check(connection: psycopg.Connection[Any]) -> None:
        if len(terminated) < 4:  # as when the leases of a role are revoked one by one
            terminated.append(connection.info.backend_pid)
            database.terminate_session(terminated[-1])
        ConnectionPool.check_connection(connection)

    url = service.secrets.get("database-url")
    with LeasedPool(users, url, min_size=1, max_size=1, check=check) as pool:
        assert session_user(pool) == users.current().username
    assert len(set(terminated)) == len(pauses) == 4
    assert sum(pauses) < 0.5


def test_pool_and_engine_of_one_process_share_one_lease() -> None:
    with database_engine().connect() as connection:
        assert connection.execute(text(SESSION_USER)).scalar() == session_user(
            database_pool(min_size=1)
        )


def backend_pid(pool: ConnectionPool[Any]) -> int:
    """Return the process id of the server's backend behind the pool's connection."""
    with pool.connection() as connection:
        return int(connection.info.backend_pid)


def test_pool_in_a_forked_child_raises_pool_closed() -> None:
    pool = database_pool(min_size=1)
    before = backend_pid(pool)
    reader, writer = os.pipe()
    if os.fork() == 0:
        with suppress(BaseException):
            os.write(writer, _getconn_error(pool))
            app_integration.close()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as received:
        assert received.read().endswith("; open a pool in each process")
    os.wait()
    # The child closed its client, but not the connection of its parent.
    assert backend_pid(pool) == before


def _getconn_error(pool: ConnectionPool[Any]) -> bytes:
    try:
        pool.getconn(1)
    except PoolClosed as closed:
        return str(closed).encode()
    return b"nothing"


def test_pool_with_a_delivered_file_uses_its_newest_user_and_revokes_none(
    deployment: Deployment, tmp_path: Path, database: Database
) -> None:
    file = tmp_path / "database.json"

    def deliver() -> str:
        leased = deployment.operator.get(f"database/creds/{ROLE}")["data"]
        new = tmp_path / "new"
        new.touch(0o600)
        new.write_text(json.dumps(leased))
        new.rename(file)
        return str(leased["username"])

    first = deliver()
    pool = database_pool(credentials=file, min_size=1, max_size=1)
    assert session_user(pool) == first
    second = deliver()
    assert eventually(lambda: session_user(pool) == second)  # the file is checked once a second
    pool.close()
    assert {first, second} <= database.leased_users()  # the SDK revoked neither
    deployment.operator.post(f"sys/leases/revoke-prefix/database/creds/{ROLE}", {})


def test_engine_with_a_secret_reads_a_changed_password_past_the_cache(
    deployment: Deployment, database: Database
) -> None:
    engine = database_engine(secret="database-url")
    with engine.connect() as used:
        user = used.execute(text(SESSION_USER)).scalar()
        assert user == "gaara_store_app"
    engine.dispose()
    with database.changed_password(deployment.operator, str(user)), engine.connect() as other:
        assert other.execute(text(SESSION_USER)).scalar() == user


def test_engine_with_role_and_secret_raises_before_any_request() -> None:
    with pytest.raises(ConfigurationError, match="only one of role and secret"):
        database_engine("reports", secret="database-url")


def test_engine_of_a_role_not_granted_names_the_path_to_allow() -> None:
    engine = database_engine("reports")
    with pytest.raises(AccessDenied, match="database/creds/gaara-store-dev-reports"):
        engine.connect()


def test_connect_to_a_missing_database_requests_no_other_lease(
    service: Client, users: LeasedCredentials
) -> None:
    url = service.secrets.get("database-url").reveal().rpartition("/")[0]
    first = users.current()

    def open_(credentials: Credentials) -> object:
        parameters: dict[str, Any] = {**credentials.parameters()}
        return psycopg.connect(f"{url}/nowhere".replace("+psycopg", ""), **parameters)

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        users.connect(open_)
    assert users.current() is first


def test_garbage_collected_leases_warn(service: Client) -> None:
    """Warn although a thread maintains the leases, because it keeps no strong reference."""
    dropped = [LeasedCredentials(service.session, ROLE)]
    dropped[0].current()
    with pytest.warns(ResourceWarning, match="1 leased database users") as warned:
        assert eventually(partial(_has_warned, warned, dropped))


def _has_warned(warned: pytest.WarningsRecorder, dropped: list[LeasedCredentials]) -> bool:
    dropped.clear()
    gc.collect()
    return len(warned) > 0


def test_leases_open_at_process_exit_warn(deployment: Deployment) -> None:
    environment = {**os.environ, **deployment.variables, "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-W", "default::ResourceWarning", "-c")
    left = subprocess.run(
        (*command, LEAKY), env=environment, capture_output=True, text=True, check=True
    )
    assert f"1 leased database users of {ROLE} are not revoked: call close()" in left.stderr
    closed = subprocess.run(
        (*command, "from app_integration import database_engine; database_engine().connect()"),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not revoked" not in closed.stderr  # the client is closed at the end
