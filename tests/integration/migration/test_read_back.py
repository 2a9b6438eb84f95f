"""Backfill of a table whose own trigger changes what is written."""

from __future__ import annotations

from typing import Final

import pytest

from migration.passes.passes import RowsStayWrong
from migration.rows.stored_values import ValueNotStored
from migration.stage import Stage
from tests.integration.migration.test_course import Hotel, changed_plan

pytestmark = pytest.mark.requires("embedded")

_CHANGING: Final = """
    CREATE OR REPLACE FUNCTION changing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.id = 70 THEN NEW.{} := '\\x00'; END IF; RETURN NEW;
    END $$;
    CREATE TRIGGER changing BEFORE UPDATE ON guests
        FOR EACH ROW EXECUTE FUNCTION changing();
    ALTER TABLE guests ENABLE ALWAYS TRIGGER changing
"""


@pytest.mark.parametrize("column", ["email_token", "email_index"])
def test_batch_that_is_read_back_ends_before_the_table_keeps_something_else(
    hotel: Hotel, column: str
) -> None:
    hotel.execute(_CHANGING.format(column))
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.GUARDED)
    hotel.plan = changed_plan(read_back=True, triggers="fire")
    with pytest.raises(ValueNotStored, match=f"row 70, column {column}: it would keep another"):
        hotel.advance(Stage.SWITCHED)
    assert len(hotel.execute("SELECT id FROM guests WHERE email_token IS NOT NULL")) == hotel.batch
    hotel.execute("DROP TRIGGER changing ON guests")
    hotel.advance(Stage.SWITCHED)
    assert hotel.passes == ["verified-backfill", "verified-backfill"]
    assert hotel.opened() == hotel.plaintexts()


def test_backfill_that_is_read_back_replaces_tokens_of_other_values(hotel: Hotel) -> None:
    hotel.plan = changed_plan(read_back=True)
    hotel.advance(Stage.GUARDED)
    token, _ = hotel.token(71, "guest71@example.com")
    _, index = hotel.token(70, "guest70@example.com")
    hotel.upsert(
        {"id": 70, "email": "guest70@example.com", "email_token": token, "email_index": index}
    )
    hotel.advance(Stage.SWITCHED)
    assert hotel.passes == ["verified-backfill", "verified-backfill"]
    assert hotel.opened() == hotel.plaintexts()


def test_backfill_that_was_not_read_back_is_verified_whatever_the_plan_says_now(
    hotel: Hotel,
) -> None:
    hotel.advance(Stage.BACKFILLED)
    hotel.plan = changed_plan(read_back=True)
    hotel.advance(Stage.VERIFIED)
    assert hotel.passes == ["backfill", "verify"]


def test_interrupted_backfill_begins_anew_if_it_is_to_be_read_back(hotel: Hotel) -> None:
    with hotel.interrupted():
        hotel.advance(Stage.SWITCHED)
    hotel.plan = changed_plan(read_back=True)
    hotel.advance(Stage.VERIFIED)
    assert hotel.passes == ["backfill", "verified-backfill"]
    assert hotel.opened() == hotel.plaintexts()


def test_batch_that_is_not_read_back_is_verified_later(hotel: Hotel) -> None:
    hotel.plan = changed_plan(triggers="fire")
    hotel.execute(_CHANGING.format("email_token"))
    with pytest.raises(RowsStayWrong, match="1 of 300 rows"):
        hotel.advance(Stage.SWITCHED)
    assert hotel.passes == ["backfill", "verify", "verify"]
