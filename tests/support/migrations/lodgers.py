"""Table of lodgers whose tokens become other ones or plaintext, and the command that does it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

import yaml
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app_integration import database_engine, use_data_keys, use_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.integrations.sqlalchemy import create_index_keys, find
from tests.support.models.migrated_lodger import (
    DATA_KEYS,
    INDEX_KEYS,
    PLANS,
    VERSIONS,
    lodger_class,
    read_attribute,
)
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.deployment import Deployment

ROWS: Final = 60
_WRITES: Final = 30  # of each version, at least
_CREATE: Final = "CREATE TABLE lodgers (id uuid PRIMARY KEY, visits int NOT NULL, {})"
_DROP: Final = (
    f"DROP TABLE IF EXISTS lodgers, {DATA_KEYS}, {INDEX_KEYS}",
    "DROP SCHEMA IF EXISTS strongroom_migration CASCADE",
)


@dataclass
class House:
    """A table of lodgers, the versions of its application, and the command that migrates it."""

    #: Options without which the command changes nothing.
    consent: ClassVar[tuple[str, ...]] = ()
    #: What a bypassing writer did not bring, and what its table gets.
    brought: ClassVar[str] = "a token"
    new_values: ClassVar[str] = "new tokens"
    #: The columns that are added, and those of them that stay.
    added: ClassVar[tuple[str, ...]] = ("name_2", "lookup_2")
    kept: ClassVar[tuple[str, ...]] = added

    kind: str
    engine: Engine
    file: Path
    root: Path
    command_line: CommandLine
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
        assert run_command(self.command_line.monkeypatch, *command) == code
        printed = self.command_line.capsys.readouterr()
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
            if name is not None and (rows := self.find(session, version, name)) is not None:
                assert row in rows

    def find(self, session: Session, version: str, name: str) -> Sequence[Any] | None:
        """Return the lodgers with *name*, as *version* finds them; None if it has no index."""
        attribute = read_attribute(version)
        if attribute == "name_old" and "name_index" not in self.old_columns:
            return None
        return find(session, getattr(self.versions[version], attribute), name)

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
        self.run("run", *self.consent, code=2)
        with self.beside("before", "dual-writing"):
            pass
        assert f"without {self.brought}" in self.run("status")
        options = (*self.consent, "--wait", "--postpone", "--duty", "1")
        with self.beside("dual-writing"):
            assert "indexed:" in self.run("run", *options)

    def check_old_tokens(self) -> None:
        """Check that a process of the version before opens the old tokens.

        Without a table of data keys it opens those that carry theirs.
        """
        with self.engine.connect() as connection:
            query = text("SELECT name FROM lodgers WHERE name IS NOT NULL")
            tokens = connection.scalars(query).all()
        assert tokens
        assert {type(each) for each in tokens} == {str if self.kind == "text" else bytes}
        starts = ("sr3.", b"sr3.")
        assert {each[:4] in starts for each in tokens} == {self.kind in ("mode", "text")}
        assert self.read("before") == self.values


class OpenHouse(House):
    """A table of lodgers whose names become plaintext."""

    consent = ("--decrypt", "--yes")
    brought = new_values = "plaintext"
    added = ("name_plain", "name_plain_token_hash")
    kept = ("name_plain",)

    def write(self, version: str, key: UUID, name: str | None) -> None:
        # First an equal value: with a fresh token, or without one.
        super().write(version, key, self.values[key])
        super().write(version, key, name)

    def find(self, session: Session, version: str, name: str) -> Sequence[Any] | None:
        if read_attribute(version) == "name_old":
            return super().find(session, version, name)
        owner = self.versions[version]
        return session.scalars(select(owner).where(owner.name_new == name)).all()


@contextmanager
def open_house(
    kind: str, deployment: Deployment, folder: Path, command_line: CommandLine
) -> Iterator[House]:
    """Yield a house with a table of its own."""
    house_class = OpenHouse if kind == "plaintext" else House
    file, root = folder / "lodgers.yaml", deployment.layout.root
    house = house_class(kind, database_engine(), file, root, command_line)
    try:
        house.create()
        yield house
    finally:
        with house.engine.begin() as connection:
            for statement in _DROP:
                connection.execute(text(statement))
