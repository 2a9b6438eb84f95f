"""What a scheduled run begins or continues."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app_integration.names import AGENT_ISSUED
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, Step
from vault.rotation.schedule import needs_run
from vault.rotation.server_ages import Age

NOW = datetime(2026, 11, 28, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = Item(Kind.KEY, "shop", "pii", "shop-dev-pii", 90 * 86_400, is_declared=True)
ITEM = Item(Kind.SECRET, "shop", "token", "shop/dev/token", 86_400, is_declared=True)
DERIVED = Item(Kind.SECRET, "shop", "url", "shop/dev/url", None, is_declared=False)


def rotation(step: Step, ended: datetime | None = None) -> Record:
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
        (ITEM, rotation(Step.CONSUMERS), [Age(NOW)], True),
        (ITEM, replace(rotation(Step.DONE, NOW), is_repeated=True), [Age(NOW)], True),
        (ITEM, rotation(Step.DONE, NOW), [Age(NOW - 2 * DAY)], True),  # the server's age counts
        (ITEM, rotation(Step.DONE, NOW), [Age(is_known=False)], False),
        (ITEM, rotation(Step.DONE, NOW - 2 * DAY), [Age(is_known=False)], True),
        (DERIVED, None, [Age(NOW - 400 * DAY)], False),
    ],
)
def test_item_needs_a_run_if_it_is_under_way_or_overdue(
    item: Item, found: Record | None, ages: list[Age], expected: bool
) -> None:
    assert needs_run(item, found, lambda: ages, NOW) is expected


@pytest.mark.parametrize(
    ("record", "version", "needed"),
    [
        (None, 1, False),
        (None, 2, True),
        (Record("id", Step.DONE, NOW, "1", "2"), 2, False),
        (Record("id", Step.DONE, NOW, "1", "2"), 3, True),
        (Record("id", Step.UNDONE, NOW, "1", "2"), 3, False),
        (Record("id", Step.CONSUMERS, NOW, "1", "2"), 2, True),
    ],
)
def test_key_needs_a_run_if_the_server_has_rotated_it_since(
    record: Record | None, version: int, needed: bool
) -> None:
    ages = [Age(NOW - DAY, version=version)]
    assert needs_run(KEY, record, lambda: ages, NOW) is needed


def test_key_needs_a_run_if_its_newest_version_is_overdue() -> None:
    record = Record("id", Step.DONE, NOW, "1", "2")
    assert needs_run(KEY, record, lambda: [Age(NOW - 91 * DAY, version=2)], NOW)


def test_user_that_the_server_rotates_by_itself_needs_no_run() -> None:
    user = Item(Kind.STATIC_USER, "shop", "url", "shop-dev-url", 30 * 86_400, is_declared=True)
    assert not needs_run(user, None, lambda: pytest.fail("its age was read"), NOW)


@pytest.mark.parametrize(
    ("days", "issued", "needed"),
    [(19, None, False), (21, None, True), (29, "name", True), (29, AGENT_ISSUED, False)],
)
def test_secret_id_needs_a_run_before_it_expires(
    days: int, issued: str | None, needed: bool
) -> None:
    role = Item(Kind.SECRET_ID, "shop", "shop-dev", "shop-dev", 30 * 86_400, is_declared=True)
    created = NOW - days * DAY
    age = Age(created, expires=created + 30 * DAY, accessor="a", issued=issued)
    assert needs_run(role, None, lambda: [age], NOW) is needed
