"""Migrations whose commands are killed or cross each other: no value is lost, no write refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from psycopg.errors import QueryCanceled

from migration import plaintext_columns, states
from migration import plan as plans
from migration.passes import passes
from migration.passes.passes import PassKind
from migration.stage import Stage
from migration.table.migrated_table import MigratedTable
from tests.integration.migration.test_course import Hotel, open_hotel
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")


class KilledError(Exception):
    """The command was killed."""


@pytest.fixture
def hotel(database: OwnDatabase) -> Iterator[Hotel]:
    for each in open_hotel(database):
        # Only a constraint of the migration's own proves a column that may be NULL.
        each.execute("ALTER TABLE guests ALTER COLUMN email DROP NOT NULL")
        yield each


def kill(_: PassKind) -> None:
    raise KilledError


def test_restoration_killed_before_a_nulling_begins_again(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)
    hotel.between = kill
    with suppress(KilledError):
        hotel.undo()
    with suppress(KilledError):
        hotel.advance(Stage.NULLED)
    hotel.between = lambda _: None
    assert hotel.undo() is Stage.INDEXED
    assert hotel.plaintexts() == expected


def test_nulling_ends_when_another_command_restores(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)

    def cross(kind: PassKind) -> None:
        if kind is PassKind.NULL:
            assert hotel.undo() is Stage.INDEXED

    hotel.between = cross
    with pytest.raises(states.MigrationMoved, match="another command ended this pass"):
        hotel.advance(Stage.NULLED)
    with pytest.raises(states.MigrationMoved, match="it is not switched any more"):
        passes.begin(hotel.context(), hotel_table(hotel), PassKind.NULL)
    assert hotel.plaintexts() == expected


def test_restoration_proves_that_each_token_has_its_plaintext(hotel: Hotel) -> None:
    hotel.advance(Stage.SWITCHED)
    hotel.between = lambda _: hotel.write_token(1, "nulling@example.com")
    with pytest.raises(plaintext_columns.PlaintextMissing):
        hotel.undo()
    hotel.between = lambda _: None
    assert hotel.undo() is Stage.INDEXED
    assert hotel.plaintexts()[1] == "nulling@example.com"


def test_verification_keeps_a_token_that_is_all_that_has_its_value(hotel: Hotel) -> None:
    hotel.advance(Stage.BACKFILLED)
    hotel.write_token(1, "early@example.com")
    with pytest.raises(passes.RowsStayWrong, match="have a token and no plaintext were left"):
        hotel.advance(Stage.SWITCHED)
    assert hotel.opened()[1] == "early@example.com"


def test_token_without_plaintext_is_not_dropped_by_the_way_back(hotel: Hotel) -> None:
    hotel.advance(Stage.INDEXED)
    hotel.write_token(1, "early@example.com")
    with pytest.raises(plaintext_columns.PlaintextMissing, match="a token and no plaintext"):
        hotel.undo()
    hotel.advance(Stage.SWITCHED)
    while hotel.undo() is not None:
        pass
    assert hotel.plaintexts()[1] == "early@example.com"


@pytest.mark.parametrize("error", [KilledError, QueryCanceled])
def test_command_killed_before_its_proof_leaves_a_way_back_and_on(
    hotel: Hotel, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    expected = hotel.plaintexts()

    def die(*_: Any) -> None:
        raise error

    hotel.advance(Stage.SWITCHED)
    for step in (lambda: hotel.advance(Stage.NULLED), hotel.undo):
        with monkeypatch.context() as patched:
            patched.setattr(plaintext_columns, "_validate", die)
            with pytest.raises(error):
                step()
    hotel.advance(Stage.NULLED)
    assert hotel.undo() is Stage.SWITCHED
    with monkeypatch.context() as patched:
        patched.setattr(plaintext_columns, "_validate", die)
        with pytest.raises(error):
            hotel.advance(Stage.NULLED)
    assert hotel.undo() is Stage.INDEXED
    assert hotel.plaintexts() == expected


def hotel_table(hotel: Hotel) -> MigratedTable:
    context = hotel.context()
    with context.connect() as connection:
        return plans.to_table(context.plan, context.read_table(connection))
