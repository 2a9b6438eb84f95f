"""States of rotations, as Secrets Manager describes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from aws.rotation_states import RotationState, State, decide_state
from vault.declare import durations

NOW: Final = datetime(2026, 3, 31, 12, tzinfo=UTC)
EVERY: Final = 30 * durations.DAY


def days(count: float) -> datetime:
    """Return the time that many days ago."""
    return NOW - timedelta(days=count)


def decide(
    stages: dict[str, list[str]], last: datetime | None = None, **created: datetime
) -> RotationState:
    found: dict[str, Any] = {"VersionIdsToStages": stages, "RotationEnabled": True}
    if last:
        found["LastRotatedDate"] = last
    versions = {
        each: {"CreatedDate": created.get(each, days(1)), "LastAccessedDate": days(2)}
        for each in stages
    }
    return decide_state("shop", "database-url", found, versions, EVERY, NOW)


def test_secret_without_a_value_has_no_rotation() -> None:
    assert decide({}).state is State.NO_VALUE


def test_secret_with_one_version_was_never_rotated() -> None:
    found = decide({"a": ["AWSCURRENT"]}, a=days(3))
    assert (found.state, found.new, found.old) == (State.NEVER_ROTATED, "a", "")
    assert found.due == days(-27)


@pytest.mark.parametrize(
    ("last", "state"), [(29, State.ROTATED), (30, State.ROTATED), (31, State.OVERDUE)]
)
@pytest.mark.parametrize("labels", [["AWSCURRENT"], ["AWSCURRENT", "AWSPENDING"]])
def test_rotated_secret_is_overdue_after_its_period(
    labels: list[str], last: int, state: State
) -> None:
    found = decide({"a": ["AWSPREVIOUS"], "b": labels}, days(last))
    assert (found.state, found.since, found.old, found.new) == (state, days(last), "a", "b")
    assert found.due == days(last - 30)
    assert found.old_read == days(2)


@pytest.mark.parametrize(
    ("hours", "state"), [(0.5, State.UNDER_WAY), (1, State.UNDER_WAY), (2, State.STUCK)]
)
def test_pending_version_is_stuck_after_an_hour(hours: float, state: State) -> None:
    stages = {"a": ["AWSPREVIOUS"], "b": ["AWSCURRENT"], "c": ["AWSPENDING"]}
    begun = days(hours / 24)
    found = decide(stages, days(40), c=begun)
    assert (found.state, found.since, found.old, found.new) == (state, begun, "b", "c")


def test_rotation_that_is_switched_off_is_shown_as_such() -> None:
    found = {"VersionIdsToStages": {"a": ["AWSCURRENT"]}}
    versions = {"a": {"CreatedDate": days(90)}}
    assert decide_state("shop", "url", found, versions, EVERY, NOW).state is State.OFF
