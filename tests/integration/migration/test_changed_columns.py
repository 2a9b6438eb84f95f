"""Columns that somebody renamed or changed in the course of a migration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from app_integration.errors import ConfigurationError
from migration import plan
from migration.forecast import forecast
from migration.guard import triggers
from migration.passes import passes
from migration.passes.passes import PassKind
from migration.stage import Stage
from tests.integration.migration.test_course import Hotel

pytestmark = pytest.mark.requires("embedded")

#: The stages that have old columns with values.
STAGES: Final = [each for each in Stage if each.is_before(Stage.NULLED)]
_RENAME: Final = "ALTER TABLE guests RENAME {} TO {}"


def check_refused(hotel: Hotel, call: Callable[[], object], *texts: str) -> None:
    """Check that *call* is refused with *texts*, and changes nothing."""
    before = read_all(hotel)
    with pytest.raises(ConfigurationError) as caught:
        call()
    for text in texts:
        assert text in str(caught.value)
    assert read_all(hotel) == before


def read_all(hotel: Hotel) -> tuple[object, ...]:
    with hotel.connect() as connection:
        stage = hotel.context().require_state(connection).stage
    return hotel.columns(), stage, hotel.execute("SELECT * FROM guests ORDER BY id")


@pytest.mark.parametrize("stage", STAGES)
def test_renamed_plaintext_is_named_with_the_stage_until_it_is_renamed_back(
    hotel: Hotel, stage: Stage
) -> None:
    expected = hotel.plaintexts()
    hotel.advance(stage)
    hotel.execute(_RENAME.format("email", "mail"))
    texts = (
        f"migration guests: it is {stage}, and the table changed:",
        "columns: the table has no column 'email' (expected",
        "did you mean 'mail'?); change it back, and repeat the command",
    )
    for call in (lambda: hotel.advance(Stage.NULLED), hotel.undo):
        check_refused(hotel, call, *texts)
    changed = pytest.raises(ConfigurationError, match="and the table changed")
    with hotel.connect() as connection, changed:
        forecast.read(hotel.context(), connection)
    hotel.execute(_RENAME.format("mail", "email"))
    hotel.advance(Stage.NULLED)
    assert hotel.opened() == expected


@pytest.mark.parametrize("stage", [Stage.BACKFILLED, Stage.SWITCHED])
def test_plaintext_of_another_type_is_named_with_the_stage(hotel: Hotel, stage: Stage) -> None:
    hotel.advance(stage)
    # PostgreSQL refuses it as long as a trigger names the column.
    for trigger in (triggers.BEFORE_UPDATE, triggers.AFTER_UPDATE, triggers.AFTER_INSERT):
        hotel.execute(f"DROP TRIGGER {trigger} ON guests")
    hotel.execute("ALTER TABLE guests ALTER email TYPE bytea USING convert_to(email, 'utf8')")
    texts = (f"it is {stage}, and", "the column email is bytea, but its field is str")
    for call in (lambda: hotel.advance(Stage.NULLED), hotel.undo):
        check_refused(hotel, call, *texts)


@pytest.mark.parametrize("column", ["email_token", "email_index"])
def test_new_column_that_is_gone_is_named(hotel: Hotel, column: str) -> None:
    hotel.advance(Stage.DUAL_WRITING)
    hotel.execute(_RENAME.format(column, "other"))
    texts = ("it is dual-writing, and", f"columns: the table has no column {column!r}")
    for call in (lambda: hotel.advance(Stage.SWITCHED), hotel.undo):
        check_refused(hotel, call, *texts)


def test_worker_that_joins_a_pass_finds_the_change(hotel: Hotel) -> None:
    hotel.advance(Stage.DUAL_WRITING)
    with hotel.connect() as connection:
        table = plan.to_table(hotel.plan, hotel.context().read_table(connection))
    pass_ = passes.begin(hotel.context(), table, PassKind.BACKFILL)
    hotel.execute(_RENAME.format("email", "mail"))
    check_refused(hotel, lambda: hotel.run(PassKind.BACKFILL, pass_), "no column 'email'")
