"""Free space where a real PostgreSQL keeps its files."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from psycopg import Connection
from psycopg.errors import DuplicateTable
from psycopg.sql import SQL, Literal

from migration.forecast import disk_space
from migration.forecast.disk_space import Room
from migration.table.migrated_table import MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")

TABLE: Final = MigratedTable(
    "public", "users", ("id",), (MigratedColumn("email", "email_token", ("id",)),)
)


@pytest.fixture
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute("CREATE TABLE users (id int PRIMARY KEY, email text)")
        yield connection
        connection.execute("DROP TABLE users")


def data_folder(connection: Connection) -> Path:
    (found,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    return Path(found)


def test_room_of_the_server_on_this_machine_is_measured(connection: Connection) -> None:
    found = disk_space.read(connection, TABLE)
    free = shutil.disk_usage(data_folder(connection)).free
    assert found.files == found.wal == pytest.approx(free, rel=0.1)
    assert found.is_shared


def test_least_of_the_filesystems_of_tables_and_indexes_counts(
    connection: Connection,
) -> None:
    folder = Path("/dev/shm") / f"strongroom-{os.getpid()}"  # noqa: S108 (another filesystem)
    folder.mkdir()
    owner = data_folder(connection).stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    try:
        connection.execute(SQL("CREATE TABLESPACE small LOCATION {}").format(Literal(str(folder))))
        connection.execute("ALTER INDEX users_pkey SET TABLESPACE small")
        found = disk_space.read(connection, TABLE)
        least = min(shutil.disk_usage(each).free for each in (folder, data_folder(connection)))
        assert found.files == pytest.approx(least, rel=0.1)
        assert found.is_shared
        connection.execute("ALTER INDEX users_pkey SET TABLESPACE pg_default")
        connection.execute("DROP TABLESPACE small")
    finally:
        shutil.rmtree(folder)


def test_user_without_the_right_does_not_know_the_room(connection: Connection) -> None:
    connection.execute("CREATE ROLE clerk; SET ROLE clerk")
    assert disk_space.read(connection, TABLE) == Room(None, None)
    connection.execute("RESET ROLE; DROP ROLE clerk")


@pytest.fixture
def clerk(connection: Connection) -> Iterator[Connection]:
    """Return a connection beside a user who may not know where the server's files are."""
    connection.execute("CREATE ROLE clerk; CREATE SCHEMA clerks AUTHORIZATION clerk")
    yield connection
    connection.execute("RESET ROLE; DROP SCHEMA clerks CASCADE; DROP ROLE clerk")


@pytest.fixture
def installed(clerk: Connection) -> Iterator[Connection]:
    """Return it beside the function, as the documents install it."""
    text = Path("docs/howto/Migration_Before.md").read_text(encoding="utf-8")
    (statements,) = re.findall(r"```sql\n(CREATE FUNCTION .*?)```", text, re.DOTALL)
    clerk.execute(statements.replace("migrating-user", "clerk").encode())
    yield clerk
    clerk.execute("RESET ROLE; DROP FUNCTION strongroom_disk_free")


def test_function_of_an_administrator_measures_for_another_user(installed: Connection) -> None:
    installed.execute("SET ROLE clerk")
    found = disk_space.read(installed, TABLE)
    installed.execute("RESET ROLE")
    assert found.files == found.wal
    assert found.files == pytest.approx(shutil.disk_usage(data_folder(installed)).free, rel=0.1)


def test_function_runs_no_trigger_of_its_caller(installed: Connection) -> None:
    installed.execute("SET ROLE clerk; CREATE TEMP TABLE strongroom_df (kilobytes bigint)")
    with pytest.raises(DuplicateTable):
        disk_space.read(installed, TABLE)
    installed.execute("DROP TABLE strongroom_df")


def test_function_of_another_user_is_not_called(clerk: Connection) -> None:
    clerk.execute(
        "CREATE FUNCTION clerks.strongroom_disk_free() RETURNS bigint LANGUAGE sql AS 'SELECT 1';"
        "ALTER FUNCTION clerks.strongroom_disk_free OWNER TO clerk; SET ROLE clerk"
    )
    assert disk_space.read(clerk, TABLE) == Room(None, None)


@pytest.mark.parametrize("control", [b"", b"\x00" * 8, None])
def test_folder_of_another_server_is_not_measured(
    connection: Connection, tmp_path: Path, control: bytes | None
) -> None:
    (tmp_path / "global").mkdir()
    if control is not None:
        (tmp_path / "global" / "pg_control").write_bytes(control)
    assert not disk_space.is_data_folder(connection, tmp_path)
    assert disk_space.is_data_folder(connection, data_folder(connection))
