"""Stores of data keys: private, never partly written, shared by processes, with unique numbers."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.stores import MAX_NUMBER, DataKeyStore, WrappedKey
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import KeyUnavailable
from tests.support.models.cipher_parts import STORE, KeyService

KEY = WrappedKey(7, "shop/dev/pii", b"\x00\xff", bytes(32), datetime(2026, 1, 31, tzinfo=UTC), 1)


@pytest.fixture(params=["file", "table"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DataKeyStore]:
    if request.param == "file":
        yield FileDataKeys(tmp_path / "keys.json")
        return
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    table = TableDataKeys(engine)
    table.create()
    table.create()
    yield table
    engine.dispose()


def same(found: list[WrappedKey], *expected: WrappedKey) -> bool:
    """Return whether the rows are equal except for *created*, because SQLite drops its offset."""
    bare = [replace(key, created=KEY.created) for key in found]
    return sorted(bare, key=lambda key: key.number) == list(expected)


def test_row_is_added_once_and_found_by_its_number(store: DataKeyStore) -> None:
    largest = replace(KEY, number=MAX_NUMBER, scope="shop/dev/other")
    assert store.get([7]) == []
    assert store.add(KEY)
    assert not store.add(replace(KEY, wrapped=b"another"))
    assert store.add(largest)
    assert same(store.get([7, 8, MAX_NUMBER]), KEY, largest)
    assert store.get([]) == []


def test_rewrap_replaces_an_unchanged_row_once(store: DataKeyStore) -> None:
    new, other = replace(KEY, number=8, version=2), replace(KEY, number=9, scope="shop/dev/other")
    assert all(store.add(key) for key in (KEY, new, other))
    found = {key.number: key for key in store.list_by_scope("shop/dev/pii")}
    assert sorted(found) == [7, 8]
    assert store.rewrap(found[7], b"rewrapped", 2)
    assert not store.rewrap(found[7], b"again", 2)
    assert same(store.get([7]), replace(KEY, wrapped=b"rewrapped", version=2))


def test_store_is_shared_by_two_processes(store: DataKeyStore) -> None:
    service = KeyService()
    token = FieldCipher(service, STORE, data_keys=store).encrypt_field("sand", {"user_id": 7})
    reader = FieldCipher(service, STORE, data_keys=store)
    assert reader.decrypt_field(token, {"user_id": 7}) == "sand"


def test_file_is_private_and_leaves_no_partial_file(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = FileDataKeys(tmp_path / "keys.json")
        store.add(KEY)
    finally:
        os.umask(old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys.json", "keys.json.lock"]
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_failed_write_leaves_the_file_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileDataKeys(tmp_path / "keys.json")
    store.add(KEY)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(KeyUnavailable, match="No space left"):
            store.add(replace(KEY, number=8))
    assert store.get([7, 8]) == [KEY]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("text", ["", "{", "[1]", "7", '[{"id": 7}]', "\xff"])
def test_file_of_another_format_is_rejected_and_left_unchanged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, encoding="latin-1")
    for work in (lambda: FileDataKeys(path).get([7]), lambda: FileDataKeys(path).add(KEY)):
        with pytest.raises(KeyUnavailable, match=r"keys\.json"):
            work()
    assert path.read_text(encoding="latin-1") == text


def test_concurrent_processes_lose_no_row(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    code = (
        "import sys; from dataclasses import replace\n"
        "from tests.unit.encryption.test_data_key_file import KEY, FileDataKeys\n"
        "store = FileDataKeys(sys.argv[1])\n"
        "print(sum(store.add(replace(KEY, number=1 + at, wrapped=sys.argv[2].encode()))"
        " for at in range(25)))"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", code, str(path)]
    running = [
        subprocess.Popen([*command, str(at)], cwd=root, stdout=subprocess.PIPE, text=True)
        for at in range(3)
    ]
    added = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(added) == 25
    assert len(FileDataKeys(path).get(range(1, 100))) == 25


def test_missing_table_raises_an_error_that_names_it() -> None:
    engine = create_engine("sqlite://")
    table = TableDataKeys(engine)
    try:
        for work in (lambda: table.get([7]), lambda: table.add(KEY)):
            with pytest.raises(KeyUnavailable, match="data_keys"):
                work()
    finally:
        engine.dispose()
