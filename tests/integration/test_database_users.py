"""Whose connections they are, and what becomes of them: pools, rotation by others, forks, leaks."""

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
from tests.support.databases.busy import WHO
from tests.support.databases.database import ROLE, Database, eventually
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("front_door")]

ROOT = Path(__file__).parents[2]
LEAKY = f"""
from app_integration import default_client
from app_integration.database import LeasedCredentials
users = LeasedCredentials(default_client.get_default_client().session, {ROLE!r})
users.current()
"""


@pytest.fixture
def users(service: Client) -> Iterator[LeasedCredentials]:
    held = LeasedCredentials(service.session, ROLE, background=False)
    yield held
    held.close()


def who(pool: ConnectionPool[Any]) -> str:
    with pool.connection() as connection:
        return str(connection.execute(WHO).fetchone()[0])


def test_a_pool_gives_an_old_user_back_when_its_last_connection_returns(
    users: LeasedCredentials, service: Client, database: Database
) -> None:
    url = service.secrets.get("database-url")
    with LeasedPool(users, url, min_size=2, max_size=2) as pool:
        pool.wait()
        with pool.connection() as used:
            first = used.execute(WHO).fetchone()[0]
            second = users.rotate().username
            users.maintain()
            assert users.open_connections(first) == 1  # the idle one was closed
            assert first in database.leased()
            assert who(pool) == second
            assert used.execute(WHO).fetchone()[0] == first
        assert eventually(lambda: users.open_connections(first) == 0)
        users.maintain()
        assert eventually(lambda: first not in database.leased())
        assert who(pool) == second


def test_a_pool_wastes_no_second_on_connections_that_were_ended(
    users: LeasedCredentials, service: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    for module in ("app_integration.database.pool", "psycopg_pool.pool"):
        monkeypatch.setattr(f"{module}.sleep", pauses.append)
    ended: list[int] = []

    def check(connection: psycopg.Connection[Any]) -> None:
        if len(ended) < 4:  # as when one user after another is revoked
            ended.append(connection.info.backend_pid)
            database.end(ended[-1])
        ConnectionPool.check_connection(connection)

    url = service.secrets.get("database-url")
    with LeasedPool(users, url, min_size=1, max_size=1, check=check) as pool:
        assert who(pool) == users.current().username
    assert len(set(ended)) == len(pauses) == 4
    assert sum(pauses) < 0.5


def test_pool_and_engine_of_one_process_share_one_lease() -> None:
    with database_engine().connect() as connection:
        assert connection.execute(text(WHO)).scalar() == who(database_pool(min_size=1))


def backend(pool: ConnectionPool[Any]) -> int:
    """The server's process behind the connection."""
    with pool.connection() as connection:
        return int(connection.info.backend_pid)


def test_a_child_is_told_to_open_a_pool_of_its_own() -> None:
    pool = database_pool(min_size=1)
    before = backend(pool)
    reader, writer = os.pipe()
    if os.fork() == 0:
        with suppress(BaseException):
            os.write(writer, _what_happens(pool))
            app_integration.close()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.read() == "this pool was made before the fork; make one in each process"
    os.wait()
    # The child closed what it was left with, as it ended: not the connection of its parent.
    assert backend(pool) == before


def _what_happens(pool: ConnectionPool[Any]) -> bytes:
    try:
        pool.getconn(1)
    except PoolClosed as closed:
        return str(closed).encode()
    return b"nothing"


def test_a_delivered_user_is_followed_and_its_lease_is_somebody_else_s(
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
    assert who(pool) == first
    second = deliver()
    assert eventually(lambda: who(pool) == second)  # the file is looked at once a second
    pool.close()
    assert {first, second} <= database.leased()  # nothing was given back here
    deployment.operator.post(f"sys/leases/revoke-prefix/database/creds/{ROLE}", {})


def test_a_user_in_a_secret_is_followed_past_the_cache(
    deployment: Deployment, database: Database
) -> None:
    engine = database_engine(secret="database-url")
    with engine.connect() as used:
        user = used.execute(text(WHO)).scalar()
        assert user == "gaara_store_app"
    engine.dispose()
    with database.another_password(deployment.operator, str(user)), engine.connect() as other:
        assert other.execute(text(WHO)).scalar() == user


def test_what_makes_no_sense_is_refused_before_any_request() -> None:
    with pytest.raises(ConfigurationError, match="one of role and secret"):
        database_engine("reports", secret="database-url")


def test_a_role_that_is_not_granted_is_told_with_the_rule_to_add() -> None:
    engine = database_engine("reports")
    with pytest.raises(AccessDenied, match="database/creds/gaara-store-dev-reports"):
        engine.connect()


def test_a_missing_database_leases_no_further_users(
    service: Client, users: LeasedCredentials
) -> None:
    url = service.secrets.get("database-url").reveal().rpartition("/")[0]
    first = users.current()

    def open_(login: Credentials) -> object:
        parameters: dict[str, Any] = {**login.parameters()}
        return psycopg.connect(f"{url}/nowhere".replace("+psycopg", ""), **parameters)

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        users.connect(open_)
    assert users.current() is first


def test_leases_that_are_dropped_are_told_when_they_are_collected(service: Client) -> None:
    """Although there is a thread that tends to them."""
    dropped = [LeasedCredentials(service.session, ROLE)]
    dropped[0].current()
    with pytest.warns(ResourceWarning, match="1 leased database users") as told:
        assert eventually(partial(_collected, told, dropped))


def _collected(told: pytest.WarningsRecorder, dropped: list[LeasedCredentials]) -> bool:
    dropped.clear()
    gc.collect()
    return len(told) > 0


def test_leases_left_open_are_told_at_the_end_of_the_process(deployment: Deployment) -> None:
    environment = {**os.environ, **deployment.variables, "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-W", "default::ResourceWarning", "-c")
    left = subprocess.run(
        (*command, LEAKY), env=environment, capture_output=True, text=True, check=True
    )
    assert f"1 leased database users of {ROLE} are left open: call close()" in left.stderr
    closed = subprocess.run(
        (*command, "from app_integration import database_engine; database_engine().connect()"),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "left open" not in closed.stderr  # the client is closed at the end
