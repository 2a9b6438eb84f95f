"""Command ``migrate`` from old tokens to new ones, beside two versions of a mapped class."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import pytest
import yaml
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app_integration import database_engine, use_data_keys, use_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.integrations.sqlalchemy import create_index_keys, find
from tests.support.models.reencrypted_lodger import (
    DATA_KEYS,
    INDEX_KEYS,
    PLANS,
    VERSIONS,
    lodger_class,
    read_attribute,
)
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

ROWS: Final = 60
_WRITES: Final = 30  # of each version, at least
_CREATE: Final = "CREATE TABLE lodgers (id uuid PRIMARY KEY, visits int NOT NULL, {})"
_DROP: Final = (
    f"DROP TABLE IF EXISTS lodgers, {DATA_KEYS}, {INDEX_KEYS}",
    "DROP SCHEMA IF EXISTS strongroom_migration CASCADE",
)


@dataclass
class House:
    """A table of lodgers, the versions of its application, and the command that migrates it.

    Attributes:
        versions: The mapped classes of the application's versions.
        values: The name of each lodger, as a version wrote it last.

    """

    kind: str
    engine: Engine
    file: Path
    root: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    values: dict[UUID, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.versions = {name: lodger_class(self.kind, name) for name in VERSIONS}
        old, new, plan = PLANS[self.kind]
        document = {
            "migration": "lodgers",
            "service": "gaara-store",
            "table": "lodgers",
            "columns": {"name": {"encrypted": old, **new}},
            "index_keys": INDEX_KEYS,
            "quiet_for": "1s",
            **plan,
        }
        self.file.write_text(yaml.safe_dump(document))

    @property
    def old_columns(self) -> dict[str, str]:
        """Return the types of the old columns by name."""
        return {"name": "text"} if self.kind == "text" else {"name": "bytea", "name_index": "bytea"}

    def create(self) -> None:
        columns = ", ".join(f"{name} {kind}" for name, kind in self.old_columns.items())
        with self.engine.begin() as connection:
            connection.execute(text(_CREATE.format(columns)))
        data_keys = TableDataKeys(self.engine, DATA_KEYS)
        index_keys = TableIndexKeys(self.engine, INDEX_KEYS)
        for each in (data_keys, index_keys):
            each.create()
        if self.kind != "text":  # whose encrypt_field would return bytes
            use_data_keys(data_keys)
        use_index_keys(index_keys)
        if self.kind != "text":
            create_index_keys(self.versions["before"])
        for number in range(ROWS):
            self.add("before", f"Lodger {number}")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run the command, check its exit code, and return what it printed."""
        place = ("--env", "dev", "--root", str(self.root))
        command = ("migrate", arguments[0], str(self.file), *place, *arguments[1:])
        assert run_command(self.monkeypatch, *command) == code
        printed = self.capsys.readouterr()
        return " ".join((printed.err if code == 1 else printed.out).split())

    def add(self, version: str, name: str | None) -> None:
        with Session(self.engine) as session:
            row = self.versions[version](id=uuid4(), name=name)
            session.add(row)
            session.commit()
            self.values[row.id] = name

    def write(self, version: str, key: UUID, name: str | None) -> None:
        owner = self.versions[version]
        with Session(self.engine) as session:
            row = session.get_one(owner, key)
            assert row.name == self.values[key]
            row.name = name
            row.visits += 1
            session.commit()
            self.values[key] = name
            attribute = read_attribute(version)
            if name is not None and (attribute != "name_old" or "name_index" in self.old_columns):
                assert row in find(session, getattr(owner, attribute), name)

    def read(self, version: str) -> dict[UUID, str | None]:
        with Session(self.engine) as session:
            return {row.id: row.name for row in session.scalars(select(self.versions[version]))}

    @contextmanager
    def beside(self, *versions: str) -> Iterator[None]:
        """Write by *versions*, which run side by side, during the block."""
        stopped = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            written = pool.submit(self._write_until, stopped, versions)
            try:
                yield
            finally:
                stopped.set()
            written.result()

    def _write_until(self, stopped: threading.Event, versions: tuple[str, ...]) -> None:
        choose, writes = random.Random(7), 0  # noqa: S311 (which rows, not keys)
        while not stopped.is_set() or writes < _WRITES * len(versions):
            version = versions[writes % len(versions)]
            name = None if choose.random() < 0.1 else f"Name {choose.random()}"
            if choose.random() < 0.1:
                self.add(version, name)
            else:
                self.write(version, choose.choice(list(self.values)), name)
            writes += 1

    def columns(self) -> set[str]:
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = 'lodgers'"
        with self.engine.connect() as connection:
            return set(connection.scalars(text(query)))

    def begin(self) -> None:
        """Go on until the guard refuses the version before, which is reported first."""
        self.run("run", code=2)
        with self.beside("before", "dual-writing"):
            pass
        assert "without a token" in self.run("status")
        with self.beside("dual-writing"):
            assert "indexed:" in self.run("run", "--wait", "--postpone", "--duty", "1")


@contextmanager
def open_house(house: House) -> Iterator[None]:
    """Create the table of *house* for the block."""
    try:
        house.create()
        yield
    finally:
        with house.engine.begin() as connection:
            for statement in _DROP:
                connection.execute(text(statement))


@pytest.fixture(params=[*PLANS])
def house(
    request: pytest.FixtureRequest,
    deployment: Deployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[House]:
    file, root = tmp_path / "lodgers.yaml", deployment.layout.root
    house = House(request.param, database_engine(), file, root, monkeypatch, capsys)
    with open_house(house):
        yield house


def check_old_tokens(house: House) -> None:
    """Check that a process of the version before opens the old tokens, which has no data keys."""
    with house.engine.connect() as connection:
        tokens = connection.scalars(text("SELECT name FROM lodgers WHERE name IS NOT NULL")).all()
    assert tokens
    assert {type(each) for each in tokens} == {str if house.kind == "text" else bytes}
    starts = ("sr3.", b"sr3.")
    assert {each[:4] in starts for each in tokens} == {house.kind in ("mode", "text")}
    assert house.read("before") == house.values


def test_tokens_are_replaced_beside_each_two_versions(house: House) -> None:
    shown = house.run("plan")
    assert "the columns name_2, lookup_2 and the guard are added" in shown
    assert "decrypted and compared with its old tokens" in shown
    assert f"{', '.join(house.old_columns)} and the guard are dropped" in shown
    assert "the removal of old tokens needs" in shown
    house.begin()
    check_old_tokens(house)
    with house.beside("dual-writing", "switched"):
        assert "switched: deploy the version that reads new tokens" in house.run("run")
    assert house.read("switched") == house.read("before") == house.values
    with house.beside("switched", "nulling"):
        pass
    with house.beside("nulling"):
        nulled = house.run("run", "--null", "--yes", "--duty", "1")
    assert "nulled: no row has old tokens" in nulled
    with house.beside("nulling", "after"):
        pass
    with house.beside("after"):
        dropped = house.run("run", "--drop", "--yes")
    assert "have the old tokens" in dropped
    assert house.columns() == {"id", "visits", "name_2", "lookup_2"}
    assert house.read("after") == house.values


def test_way_back_has_what_each_version_wrote(house: House) -> None:
    house.begin()
    house.run("run")
    with house.beside("switched", "nulling"):
        pass
    house.run("run", "--null", "--yes", "--duty", "1")
    with house.beside("nulling", "after"):
        pass
    assert "writes old tokens and new tokens (phase switched)" in house.run("undo", "--yes")
    with house.beside("switched", "nulling"):
        pass
    with house.beside("switched"):
        assert "let the application read old tokens" in house.run("undo", "--yes", "--duty", "1")
    check_old_tokens(house)
    with house.beside("dual-writing", "switched"):
        pass
    house.run("undo", "--yes")
    with house.beside("before", "dual-writing"):
        pass
    assert "undone: the table is as it was" in house.run("undo", "--yes")
    with house.beside("before"):
        pass
    check_old_tokens(house)
    assert house.columns() == {"id", "visits", *house.old_columns}
