"""When values are due: what is near, what nobody has asked for, and what renews by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app_integration.names import AGENT_ISSUED
from console.page.views.due import Due, find_due, show_due
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import Read
from vault.rotation.ledger.ledger import LastRead, ReadState, Row, State
from vault.rotation.server_ages import Age

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def row(left: timedelta | None, kind: Kind = Kind.SECRET, issued: str | None = None) -> Row:
    """Return the row of a value that is due after *left*, without a value if that is None."""
    item = Item(kind, "shop", "x", "x", 86_400, is_declared=True)
    never = LastRead(ReadState.NEVER)
    if left is None:
        return Row(item, Age(reason="none"), State.NO_VALUE, None, None, never)
    return Row(item, Age(NOW - DAY, issued=issued), State.OK, 86_400, NOW + left, never)


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (3 * MINUTE, "due within a day"),
        (DAY, "due within a day"),
        (DAY + MINUTE, "due within 7 days"),
        (-MINUTE, "overdue"),
        (8 * DAY, "due within 30 days"),
    ],
)
def test_badge_of_what_is_due_in_minutes_does_not_say_days(left: timedelta, text: str) -> None:
    of = row(left)
    assert show_due(of, find_due(of, NOW), NOW).text == text


def test_credential_that_was_not_issued_is_no_secret_without_a_value() -> None:
    assert find_due(row(None), NOW) is Due.NO_VALUE
    unused = row(None, Kind.SECRET_ID)
    assert find_due(unused, NOW) is Due.NOT_ISSUED
    login = Read(NOW - DAY, "login", "shop-dev", None, "approle", None)
    ended = replace(unused, last_read=LastRead(ReadState.READ, read=login))
    assert find_due(ended, NOW) is Due.NO_VALUE


def test_what_the_server_or_the_agent_replaces_is_due_only_when_it_is_late() -> None:
    by_server = row(3 * MINUTE, Kind.STATIC_USER)
    by_agent = row(3 * MINUTE, Kind.SECRET_ID, issued=AGENT_ISSUED)
    by_operator = row(3 * MINUTE, Kind.SECRET_ID, issued="web-1")
    found = [find_due(each, NOW) for each in (by_server, by_agent, by_operator)]
    assert found == [Due.BY_ITSELF, Due.BY_ITSELF, Due.SOON]
    assert find_due(replace(by_server, due=NOW - MINUTE), NOW) is Due.OVERDUE
