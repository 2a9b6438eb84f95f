"""Rewrap and re-encryption on a real PostgreSQL and Transit, under reads and writes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app_integration import database_engine
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.services.vault import VaultKeyService
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import DecryptionFailed
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from tests.support.servers.dev_server import dev_server, root

pytestmark = [
    pytest.mark.requires("embedded"),
    pytest.mark.alone,
    pytest.mark.usefixtures("default_client_on_server"),
]

STORE = Scope("gaara-store", Environment.DEV)
NAME = "gaara-store-dev-pii"
ROWS, READERS, WRITERS = 200, 8, 4


@pytest.fixture(scope="module")
def transit() -> Iterator[Session]:
    with dev_server() as address, root(address) as session:
        session.post("sys/mounts/transit", {"type": "transit"})
        session.post(f"transit/keys/{NAME}", {"derived": True})
        yield session


@pytest.fixture
def engine() -> Iterator[Engine]:
    opened = database_engine(pool_size=READERS + WRITERS + 2)
    with opened.begin() as connection:
        connection.execute(
            text("CREATE TABLE rotated (id int PRIMARY KEY, packed bytea, txt text)")
        )
    yield opened
    with opened.begin() as connection:
        connection.execute(text("DROP TABLE rotated, rotated_keys"))


@dataclass
class World:
    """Table of encrypted rows, with the reads, writes and rewraps of an application's processes."""

    transit: Session
    engine: Engine
    stop: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list)
    reads: int = 0
    writes: int = 0

    def __post_init__(self) -> None:
        self.keys = TableDataKeys(self.engine, "rotated_keys")
        self.keys.create()

    def ciphers(self) -> tuple[FieldCipher, FieldCipher]:
        """Return the ciphers of another process: one for keyring tokens, one for text tokens."""
        service = VaultKeyService(self.transit.post, NAME)
        return FieldCipher(service, STORE, data_keys=self.keys), FieldCipher(service, STORE)

    def write(self, row: int, ciphers: tuple[FieldCipher, FieldCipher]) -> None:
        packed, txt = (each.encrypt_field(f"row {row}", {"id": row}) for each in ciphers)
        change = text(
            "INSERT INTO rotated VALUES (:id, :packed, :txt) ON CONFLICT (id) "
            "DO UPDATE SET packed = excluded.packed, txt = excluded.txt"
        )
        with self.engine.begin() as connection:
            connection.execute(change, {"id": row, "packed": packed, "txt": txt})

    def row(self, row: int) -> tuple[bytes, str]:
        with self.engine.connect() as connection:
            found = connection.execute(
                text("SELECT packed, txt FROM rotated WHERE id = :id"), {"id": row}
            ).one()
        return bytes(found[0]), found[1]

    def read(self, row: int, ciphers: tuple[FieldCipher, FieldCipher]) -> None:
        for token in self.row(row):
            assert ciphers[0].decrypt_field(token, {"id": row}) == f"row {row}"

    def replace(self, row: int, column: str, old: Any, new: Any) -> None:
        """Replace a token, unless a writer has already replaced it."""
        change = text(f"UPDATE rotated SET {column} = :new WHERE id = :id AND {column} = :old")
        with self.engine.begin() as connection:
            connection.execute(change, {"new": new, "old": old, "id": row})

    def start_thread(self, work: Callable[[int], None], kind: str) -> threading.Thread:
        """Start a thread that calls *work* with random rows until :attr:`stop` is set."""

        def run() -> None:
            try:
                while not self.stop.is_set():
                    work(random.randrange(ROWS))  # noqa: S311 - which row is no secret
                    setattr(self, kind, getattr(self, kind) + 1)
            except BaseException as error:  # noqa: BLE001 - the test reports it
                self.failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def threads(self) -> list[threading.Thread]:
        """Start readers without cached keys, and writers with data keys of their own."""
        started = []
        for _ in range(READERS):
            mine = self.ciphers()
            started.append(self.start_thread(lambda row, mine=mine: self.read(row, mine), "reads"))  # type: ignore[misc] # bound now
        for _ in range(WRITERS):
            mine = self.ciphers()
            started.append(
                self.start_thread(lambda row, mine=mine: self.write(row, mine), "writes")  # type: ignore[misc] # as above
            )
        return started


def old_numbers(world: World) -> list[WrappedKey]:
    rows = world.keys.list_by_scope("gaara-store/dev/pii")
    return [row for row in rows if int.from_bytes(row.wrapped[:4], "big") < 2]


def test_rewrap_under_load_fails_no_read_and_leaves_no_old_key(
    transit: Session, engine: Engine
) -> None:
    world = World(transit, engine)
    mine = world.ciphers()
    for row in range(ROWS):
        world.write(row, mine)
    threads = world.threads()
    transit.post(f"transit/keys/{NAME}/rotate")
    operator = world.ciphers()
    while operator[0].rewrap_data_keys():
        pass  # because a writer may store a key that was wrapped before the rotation
    for row in range(ROWS):  # as an operator does with text tokens and old keyring tokens
        packed, txt = world.row(row)
        world.replace(row, "txt", txt, operator[1].rewrap(txt))
        world.replace(row, "packed", packed, operator[0].reencrypt(packed, {"id": row}))
    while world.reads < 200 or world.writes < 100:
        assert not world.failures
        assert any(thread.is_alive() for thread in threads)
        world.stop.wait(0.01)
    world.stop.set()
    for thread in threads:
        thread.join(60)
    assert world.failures == []
    for row in range(ROWS):  # because writers with a key wrapped before the rotation wrote on
        _, txt = world.row(row)
        if operator[1].needs_rewrap(txt):
            world.replace(row, "txt", txt, operator[1].rewrap(txt))
    operator[0].rewrap_data_keys()  # because a writer may have stored such a key as late
    assert operator[0].rewrap_data_keys() == 0
    assert old_numbers(world) == []
    transit.post(f"transit/keys/{NAME}/config", {"min_decryption_version": 2})
    fresh = world.ciphers()
    for row in range(ROWS):
        world.read(row, fresh)


def test_concurrent_processes_get_different_data_key_numbers(
    transit: Session, engine: Engine
) -> None:
    """Generate only sixteen numbers, so that the primary key has to detect collisions."""
    world = World(transit, engine)
    service = VaultKeyService(transit.post, NAME)

    def few(size: int) -> bytes:
        value = random.randbytes(size)  # noqa: S311 - a test of collisions
        return bytes(3) + bytes([value[0] % 16 + 1]) if size == 4 else value

    def begin() -> None:
        cipher = FieldCipher(service, STORE, data_keys=world.keys, random=few)
        try:
            assert cipher.decrypt_field(cipher.encrypt_field("sand")) == "sand"
        except BaseException as error:  # noqa: BLE001 - asserted below
            world.failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert world.failures == []
    assert len(world.keys.get(range(1, 17))) == 8


def test_dump_of_both_tables_cannot_be_decrypted_in_another_environment(
    transit: Session, engine: Engine
) -> None:
    """Decrypt stolen rows with the rights of another environment on the same server."""
    world = World(transit, engine)
    token = world.ciphers()[0].encrypt_field("sand", {"id": 1})
    transit.post("transit/keys/gaara-store-prod-pii", {"derived": True})
    for name, scope in (
        ("gaara-store-prod-pii", Scope("gaara-store", Environment.PROD)),
        ("gaara-store-prod-pii", STORE),
        (NAME, Scope("gaara-store", Environment.PROD)),
    ):
        thief = FieldCipher(VaultKeyService(transit.post, name), scope, data_keys=world.keys)
        with pytest.raises(DecryptionFailed):
            thief.decrypt_field(token, {"id": 1})


def test_writer_replaces_a_data_key_whose_row_was_deleted(transit: Session, engine: Engine) -> None:
    world, seconds = World(transit, engine), [0.0]
    outcomes: list[str] = []
    writer = FieldCipher(
        VaultKeyService(transit.post, NAME),
        STORE,
        data_keys=world.keys,
        clock=lambda: seconds[0],
        report=outcomes.append,
    )
    writer.encrypt_field("sand", {"id": 1})
    before = world.keys.list_by_scope("gaara-store/dev/pii")
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE rotated_keys"))
    seconds[0] += 60
    token = writer.encrypt_field("sand", {"id": 1})
    assert outcomes == ["KeyLost"]
    fresh, _ = world.ciphers()
    assert fresh.decrypt_field(token, {"id": 1}) == "sand"
    assert not {row.number for row in before} & {
        row.number for row in world.keys.list_by_scope("gaara-store/dev/pii")
    }
