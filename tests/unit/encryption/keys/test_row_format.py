"""Rows of a newer format are refused with their number, and no row is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.row_format import check_row_format
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import KeyUnavailable

WHEN = datetime(2026, 1, 31, tzinfo=UTC)
KMS_MARK = bytes.fromhex("00000000 00000002")
NEWER = bytes.fromhex("00000000 00000004") + b"anything"
ROW = WrappedKey(7, "shop/dev/pii", NEWER, bytes(32), WHEN, 1)
REFUSAL = "row 7 has format 4, but this version reads 1, 2 and 3; install a newer strongroom-sdk"


@pytest.fixture
def engine() -> Iterator[Engine]:
    found = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    yield found
    found.dispose()


@pytest.mark.parametrize(
    "wrapped",
    [b"", b"\0\xff", b"\0\0\0\1", bytes(4), bytes(60), b"\0\0\0\0\0\0\0\1", KMS_MARK],
)
def test_row_of_a_known_format_is_accepted_also_if_it_is_damaged(wrapped: bytes) -> None:
    check_row_format(wrapped, "the table", 7)


def test_row_of_a_newer_table_is_refused(engine: Engine) -> None:
    table = TableDataKeys(engine)
    table.create()
    table.add(ROW)
    with pytest.raises(KeyUnavailable) as caught:
        table.get([7])
    assert str(caught.value) == f"the table data_keys: {REFUSAL}"
    with pytest.raises(KeyUnavailable, match="has format 4"):
        table.list_by_scope(ROW.scope)


def test_row_of_a_newer_file_is_refused_and_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    store = FileDataKeys(file)
    store.add(ROW)
    before = file.read_text()
    for use in (lambda: store.get([7]), lambda: store.add(ROW), lambda: store.rewrap(ROW, b"x", 2)):
        with pytest.raises(KeyUnavailable) as caught:
            use()
        assert str(caught.value) == f"{file}: {REFUSAL}"
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("number", "reason"), [(4, "has format 4, but this version reads 1, 2 and 3;"), (1, "is not a")]
)
def test_newer_file_is_refused_and_stays(tmp_path: Path, number: int, reason: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"format": number, "keys": {}}))
    before = file.read_text()
    with pytest.raises(KeyUnavailable, match=reason):
        FileDataKeys(file).add(ROW)
    assert file.read_text() == before


def test_row_of_a_newer_index_is_refused(engine: Engine) -> None:
    table = TableIndexKeys(engine)
    table.create()
    row = IndexKey("shop/dev", "users.email", 1, 19, NEWER, WHEN)
    assert table.replace([], [row])
    with pytest.raises(KeyUnavailable) as caught:
        table.versions("shop/dev", "users.email")
    assert str(caught.value) == (
        "the table index_keys: row users.email, version 1, has format 4, but this version reads "
        "1, 2 and 3; install a newer strongroom-sdk"
    )
