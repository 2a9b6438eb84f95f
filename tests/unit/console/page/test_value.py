"""View of one value's life: who has which version, and the command for what is to be done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.page.copied_commands import Commands
from console.page.sources.value_history import ValueHistory
from console.page.views.reads import LEAST
from console.page.views.value import Reads, build_value
from console.page.views.value_versions import MOST, build_life, build_reads_chart
from console.views.cells import Bars, Link
from tests.support.table_cells import column, texts
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import LastRead, ReadState, Row, State
from vault.rotation.record import Record, Step
from vault.rotation.server_ages import Age
from vault.rotation.server_versions import Version, VersionState

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ITEM = Item(Kind.SECRET, "shop", "jwt", "shop/dev/jwt", 90 * 86_400, is_declared=True)
COMMANDS = Commands("dev", is_local=True)
VERSIONS = (
    Version(2, NOW - 10 * DAY, VersionState.CURRENT),
    Version(1, NOW - 90 * DAY, VersionState.OLDER),
)
ROTATE = "strongroom rotate jwt --env dev --service shop --kind secret"
ASK = "strongroom audit version jwt --env dev --service shop"


def row(age: int, item: Item = ITEM) -> Row:
    created = NOW - age * DAY
    due = created + 90 * DAY
    state = State.OVERDUE if due < NOW else State.OK
    return Row(item, Age(created), state, age * 86_400, due, LastRead(ReadState.NEVER))


def reader(version: int, host: str, hour: int) -> dict[str, Any]:
    last = f"2026-04-30T{hour:02}:00:00Z"
    names = {"actor": "shop-dev", "host": host, "address": None}
    return {**names, "version": version, "tokens": 1, "count": 3, "last": last}


READS = (
    [reader(2, "web-2", 9), reader(1, "web-1", 8), reader(1, "web-3", 9)],
    {"step": "day", "rows": [{"time": "2026-04-30T00:00:00Z", "version": 1, "count": 6}]},
)


def build(
    of: Row, history: ValueHistory | None = None, reads: Reads | None = None
) -> dict[str, Any]:
    return build_value([of], history, reads, COMMANDS, NOW)


def test_value_names_who_still_has_an_older_version_first() -> None:
    value = build(row(10), ValueHistory(VERSIONS, None), READS)
    assert texts(value["readers"], "Host", "Version", "State") == [
        ("web-3", "1", "older"),
        ("web-1", "1", "older"),
        ("web-2", "2", "current"),
    ]
    assert value["older"] == 2
    first = "/reads?env=dev&actor=web-3&secret=shop%2Fjwt"
    assert column(value["readers"], "Reader")[0] == Link("shop-dev", first)
    assert column(value["life"], "Readers") == [1, 2]
    assert value["actions"] == (
        (ROTATE, "Rotate it, due in 80d"),
        (ASK, "See who still has an older version: 2 of 3 readers"),
    )


@pytest.mark.parametrize(
    ("of", "what"),
    [
        (row(100), "Rotate it, overdue since 10d"),
        (
            replace(row(100), rotation=Record("1", Step.CONSUMERS, NOW)),
            "Continue the rotation, which waits for its consumers",
        ),
        (replace(row(1), due=None), "Rotate it"),
    ],
)
def test_first_action_is_the_most_urgent(of: Row, what: str) -> None:
    assert build(of)["actions"][0][1] == what


@pytest.mark.parametrize(
    ("is_given", "command"),
    [
        (True, "strongroom put jwt --env dev --service shop"),
        (False, "strongroom apply --env dev"),
    ],
)
def test_action_for_a_secret_without_a_value_creates_one(is_given: bool, command: str) -> None:
    empty = replace(row(1), age=Age(reason="no version"), state=State.NO_VALUE, due=None)
    value = build_value([empty], None, None, COMMANDS, NOW, is_given=is_given)
    assert value["actions"][0][0] == command


def test_action_for_a_credential_elsewhere_says_what_the_folder_is() -> None:
    of = row(1, replace(ITEM, kind=Kind.SECRET_ID, name="shop-staging"))
    empty = replace(of, age=Age(reason="none"), state=State.NO_VALUE, due=None)
    for each, what in ((of, "Rotate it, due in 89d"), (empty, "Issue the first one")):
        value = build_value([each], None, None, Commands("staging"), NOW)
        ((_, text),) = value["actions"]
        assert text == f"{what}; FOLDER is one outside of the repository"


def test_value_that_changes_with_others_has_no_command_to_rotate_it() -> None:
    of = row(1, replace(ITEM, every=None, derived_from=("user",)))
    assert [command for command, _ in build(of)["actions"]] == [ASK]


@pytest.mark.parametrize("history", [None, ValueHistory((), None)])
def test_unknown_past_is_no_version_and_no_reader(history: ValueHistory | None) -> None:
    value = build(row(1), history)
    assert (value["life"].rows, value["readers"]) == ((), None)
    assert (value["rotation"], value["chart"]) == ((), None)


def test_newest_version_in_the_log_counts_if_the_server_does_not_say() -> None:
    assert build(row(1), None, READS)["older"] == 2


def test_rotation_is_described_by_its_times_and_versions() -> None:
    record = Record("1", Step.DONE, NOW, "1", "2", promoted=NOW, is_compromised=True)
    value = build(row(1), ValueHistory(VERSIONS, record))
    assert value["rotation"] == (
        ("State", "done, compromised"),
        ("From", "1"),
        ("To", "2"),
        ("Started", NOW),
        ("Promoted", NOW),
    )


def test_life_is_on_one_axis_that_ends_now_however_far_the_due_date_is() -> None:
    life = build_life(VERSIONS, None, NOW + 900 * DAY, NOW)
    assert life.note == "From 2026-01-31 12:00Z until now, and how long each was in use."
    newer = (("ground", 0, 100), ("life-good", 88.89, 11.11))
    older = (("ground", 0, 100), ("life-warn", 0.0, 88.89))
    assert column(life, "In use") == [Bars(newer, (), "10d"), Bars(older, (), "80d")]
    assert column(life, "Replaced") == [None, NOW - 10 * DAY]


def test_version_of_a_minute_in_a_year_has_a_bar_that_can_be_seen() -> None:
    versions = (
        Version(2, NOW - timedelta(minutes=1), VersionState.CURRENT),
        Version(1, NOW - 365 * DAY, VersionState.OLDER),
    )
    bars, _ = column(build_life(versions, None, None, NOW), "In use")
    assert bars == Bars((("ground", 0, 100), ("life-good", 96, 4)), (), "1m")


def test_due_date_that_has_passed_is_a_line_across_the_bars() -> None:
    life = build_life(VERSIONS, None, NOW - 45 * DAY, NOW)
    assert life.note.endswith(" The line is the due date, 2026-03-17 12:00Z.")
    assert {bars.marks for bars in column(life, "In use") if isinstance(bars, Bars)} == {
        (("due", 50.0),)
    }


def test_life_of_many_versions_shows_the_newest_and_counts_the_rest() -> None:
    many = [Version(each, NOW, VersionState.OLDER) for each in range(MOST + 3, 0, -1)]
    life = build_life(many, (), None, NOW)
    assert (len(life.rows), life.left_out) == (MOST, 3)
    assert "due date" not in life.note


def test_chart_of_reads_has_the_newest_versions_and_the_others_together() -> None:
    rows = [
        {"time": "2026-04-30T00:00:00Z", "version": version, "count": version or 7}
        for version in (None, 1, 2, 3, 4, 5)
    ]
    chart = build_reads_chart({"step": "day", "rows": rows})
    assert chart is not None
    names = [name for name, _ in chart.series]
    assert names == ["version 5", "version 4", "version 3", "version 2", "older"]
    assert chart.rows[-1] == ("2026-04-30", (5, 4, 3, 2, 8))
    assert len(chart.rows) == LEAST
