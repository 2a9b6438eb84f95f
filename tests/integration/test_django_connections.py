"""Django's connections as leased users: what a rotation or revocation replaces, and what stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import django_project

django_project.set_up()

from asgiref.sync import sync_to_async  # noqa: E402 (Django must be set up first)
from django.core.exceptions import ImproperlyConfigured  # noqa: E402 (as above)
from django.db import (  # noqa: E402 (as above)
    OperationalError,
    close_old_connections,
    connections,
    models,
    transaction,
)

from app_integration import default_client  # noqa: E402 (as above)
from app_integration.database import LeasedCredentials  # noqa: E402 (as above)
from app_integration.errors import AccessDenied  # noqa: E402 (as above)
from tests.support.databases.database import ROLE, Database, eventually  # noqa: E402 (as above)
from tests.support.databases.leased_django import (  # noqa: E402 (as above)
    ALIAS,
    KINDS,
    close_connection,
    get_users,
    leased_database,
    query_user,
)
from tests.support.databases.query_load import SESSION_USER  # noqa: E402 (as above)
from tests.support.servers.deployment import Deployment  # noqa: E402 (as above)

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]


class Role(models.Model):  # type: ignore[misc] # noqa: DJ008 (no types; no test shows it)
    """A role of the server, of which there are always some."""

    id = models.BigIntegerField(primary_key=True, db_column="oid")
    name = models.TextField(db_column="rolname")

    class Meta:  # noqa: D106 (Django's)
        app_label = "roles"
        db_table = "pg_roles"
        managed = False


@pytest.fixture(params=KINDS)
def connection(request: pytest.FixtureRequest) -> Iterator[Any]:
    with leased_database(**KINDS[request.param]) as opened:
        yield opened


@pytest.fixture
def users(connection: Any) -> LeasedCredentials:  # noqa: ARG001 (the order)
    return get_users()


def session_user() -> str:
    """Return the session's user without the end of a request."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(SESSION_USER)
        return str(cursor.fetchone()[0])


def test_query_after_a_rotation_uses_the_new_user(users: LeasedCredentials) -> None:
    assert session_user() == users.current().username
    second = users.rotate().username
    assert session_user() == second


def test_connection_in_an_atomic_block_stays_and_is_replaced_after_it(
    users: LeasedCredentials,
) -> None:
    with transaction.atomic(using=ALIAS):
        second = users.rotate().username  # before the first query, so no transaction is open yet
        first = session_user()
        assert first != second
        with transaction.atomic(using=ALIAS):
            assert session_user() == first
        users.maintain()
        assert session_user() == first
    assert session_user() == second


def test_connection_in_an_atomic_block_stays_although_autocommit_is_never_on() -> None:
    with leased_database(AUTOCOMMIT=False, CONN_MAX_AGE=None) as connection:
        first = session_user()
        connection.commit()
        with transaction.atomic(using=ALIAS, savepoint=False):
            second = get_users().rotate().username
            assert session_user() == first != second
        assert session_user() == first  # in the transaction, which the block leaves open
        connection.commit()
        assert session_user() == second


def test_connection_with_an_open_server_side_cursor_stays(users: LeasedCredentials) -> None:
    roles = Role.objects.using(ALIAS).order_by("id")
    found, names = roles.iterator(chunk_size=2), []
    names.append(next(found).name)
    second = users.rotate().username
    first = session_user()
    assert first != second
    names += [role.name for role in found]
    assert len(names) == len(set(names)) > 4
    assert session_user() == second


def test_connection_with_an_open_cursor_stays(connection: Any, users: LeasedCredentials) -> None:
    with connection.cursor() as held:
        held.execute(SESSION_USER)
        second = users.rotate().username
        first = session_user()
        assert held.fetchone() == (first,)
        held.execute(SESSION_USER)
        assert held.fetchone() == (first,)
    assert session_user() == second != first


def test_connection_without_autocommit_stays(connection: Any, users: LeasedCredentials) -> None:
    first = session_user()
    connection.set_autocommit(autocommit=False)
    second = users.rotate().username
    assert session_user() == first
    assert not connection.get_autocommit()
    connection.rollback()
    connection.set_autocommit(autocommit=True)
    assert session_user() == second


def test_end_of_a_request_closes_the_connection_of_a_replaced_user(
    connection: Any, users: LeasedCredentials, database: Database
) -> None:
    first, forgotten = session_user(), connection.cursor()
    if connection.pool is not None:
        connection.pool.wait()  # because one that it opens meanwhile is closed at its checkout
    users.rotate()
    assert users.open_connections(first) == 1
    close_old_connections()
    assert users.open_connections(first) == 0
    assert connection.connection is None  # and none is opened before the next request
    assert forgotten.connection.closed
    users.maintain()
    assert eventually(lambda: first not in database.leased_users())


def test_revoked_user_is_replaced_at_the_next_request(
    users: LeasedCredentials, deployment: Deployment, database: Database
) -> None:
    first = query_user()
    deployment.operator.post(f"sys/leases/revoke-prefix/database/creds/{ROLE}", {})
    assert eventually(lambda: first not in database.leased_users())
    assert query_user() != first
    assert query_user() == users.current().username


def test_connection_of_a_closed_client_is_replaced_by_one_of_the_next(
    users: LeasedCredentials,
) -> None:
    first, settings = session_user(), default_client.get_default_client().settings
    default_client.configure(settings)
    assert session_user() != first
    assert query_user() == get_users().current().username
    assert get_users() is not users


def test_pool_keeps_its_connection_for_the_next_request() -> None:
    with leased_database(OPTIONS={"pool": {"min_size": 1, "max_size": 1}}) as connection:
        pids = set()
        for _ in range(4):
            session_user()
            pids.add(connection.connection.info.backend_pid)
            close_old_connections()
            assert connection.connection is None
    assert len(pids) == 1


def test_pool_with_an_option_of_django_s_own_is_refused() -> None:
    with (
        leased_database(OPTIONS={"pool": {"kwargs": {"user": "ada"}}}),
        pytest.raises(TypeError, match="kwargs"),
    ):
        session_user()


def test_wrong_settings_of_an_alias_are_refused_before_a_request() -> None:
    with (
        pytest.raises(ImproperlyConfigured, match=r"DATABASES\['leased'\] sets USER"),
        leased_database(USER="ada"),
    ):
        raise AssertionError("the settings were accepted")


def test_name_of_another_database_is_used() -> None:
    with leased_database(NAME="postgres") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), session_user, current_user")
        name, user, acting = cursor.fetchone()
    assert name == "postgres"
    assert user.startswith("v-")
    assert acting == "gaara_store_owner"


def test_role_of_an_alias_is_leased_by_its_name() -> None:
    with (
        leased_database(OPTIONS={"role": "reports"}),
        pytest.raises(AccessDenied, match="database/creds/gaara-store-dev-reports"),
    ):
        session_user()


def test_denied_role_of_a_pool_is_a_timeout_with_the_reason_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = {"role": "reports", "pool": {"min_size": 1, "timeout": 1.0}}
    with (
        leased_database(OPTIONS=options),
        pytest.raises(OperationalError, match="couldn't get a connection"),
    ):
        session_user()
    assert "database/creds/gaara-store-dev-reports" in caplog.text


def test_secret_of_an_alias_names_its_user() -> None:
    with leased_database(OPTIONS={"secret": "database-url"}):
        assert session_user() == "gaara_store_app"


def test_delivered_credentials_of_an_alias_are_used(deployment: Deployment, tmp_path: Path) -> None:
    leased = deployment.operator.get(f"database/creds/{ROLE}")
    file = tmp_path / "database.json"
    file.touch(0o600)
    file.write_text(json.dumps(leased["data"]))
    with leased_database(OPTIONS={"credentials": str(file)}):
        assert session_user() == leased["data"]["username"]
    deployment.operator.post("sys/leases/revoke", {"lease_id": leased["lease_id"]})


def test_async_queries_use_the_current_user(users: LeasedCredentials) -> None:
    async def main() -> None:
        roles = Role.objects.using(ALIAS)
        assert await roles.filter(name=users.current().username).aexists()
        second = (await asyncio.to_thread(users.rotate)).username
        found = [role.name async for role in roles.order_by("id")]
        assert second in found
        assert await sync_to_async(session_user)() == second
        await sync_to_async(close_connection)()

    asyncio.run(main())


def test_threads_have_connections_of_one_lease(users: LeasedCredentials) -> None:
    def work() -> str:
        user = query_user()
        close_connection()
        return user

    async def main() -> set[str]:
        threads = [asyncio.to_thread(partial(work)) for _ in range(4)]
        return set(await asyncio.gather(*threads))

    assert asyncio.run(main()) == {users.current().username}
