"""What a scheduled run begins or continues."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vault.rotation.inventory import Item, Kind
from vault.rotation.record import Record, Step
from vault.rotation.schedule import needs_run
from vault.rotation.server_ages import Age

NOW = datetime(2026, 11, 27, tzinfo=UTC)
DAY = timedelta(days=1)
ITEM = Item(Kind.SECRET, "shop", "token", "shop/dev/token", 86_400, is_declared=True)
DERIVED = Item(Kind.SECRET, "shop", "url", "shop/dev/url", None, is_declared=False)


def record(step: Step, ended: datetime | None = None) -> Record:
    return Record("id", step, NOW - 9 * DAY, ended=ended)


@pytest.mark.parametrize(
    ("item", "found", "ages", "expected"),
    [
        (ITEM, None, [Age(NOW - 2 * DAY)], True),
        (ITEM, None, [Age(NOW - DAY)], False),  # due now, and not yet overdue
        (ITEM, None, [Age(NOW), Age(NOW - 2 * DAY)], True),
        (ITEM, None, [Age(NOW, expires=NOW - timedelta(seconds=1))], True),
        (ITEM, None, [Age(reason="no version was written")], False),
        (ITEM, None, [], False),
        (ITEM, record(Step.CONSUMERS), [Age(NOW)], True),
        (ITEM, record(Step.DONE, NOW), [Age(NOW - 2 * DAY)], True),  # the server's age counts
        (ITEM, record(Step.DONE, NOW), [Age(is_known=False)], False),
        (ITEM, record(Step.DONE, NOW - 2 * DAY), [Age(is_known=False)], True),
        (DERIVED, None, [Age(NOW - 400 * DAY)], False),
    ],
)
def test_item_needs_a_run_if_it_is_under_way_or_overdue(
    item: Item, found: Record | None, ages: list[Age], expected: bool
) -> None:
    assert needs_run(item, found, ages, NOW) is expected
