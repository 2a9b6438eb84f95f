"""Tests of the retry schedule of rendered files that are not live."""

from __future__ import annotations

import itertools

import pytest

from app_integration._internal.private_file import Stamp
from app_integration.config.delivery_status import State, Status
from app_integration.config.redelivery import Redelivery

ONE: Stamp = (1, 2, 3, 4, 5)
OTHER: Stamp = (1, 9, 3, 4, 5)


def status(state: State, staged: Stamp | None = ONE) -> Status:
    return Status(state, None, "", "", 1, staged)


def attempts(redelivery: Redelivery, status: Status | None, seconds: int) -> list[int]:
    """Return the seconds at which a file is delivered, if no attempt succeeds."""
    found = []
    for second in range(seconds):
        if redelivery.is_due(ONE, status, float(second)):
            redelivery.record_attempt(float(second), 0.0)
            found.append(second)
    return found


@pytest.mark.parametrize("state", [State.DELIVERED, State.UNCHANGED, State.REFUSED])
def test_file_that_is_live_or_rejected_is_not_delivered_again(state: State) -> None:
    assert attempts(Redelivery(), status(state), 500) == []


def test_waiting_file_is_delivered_again_with_growing_backoff() -> None:
    found = attempts(Redelivery(), status(State.WAITING), 300)
    pauses = [later - earlier for earlier, later in itertools.pairwise(found)]
    assert found[0] == 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30


@pytest.mark.parametrize(
    "last", [None, status(State.DELIVERED, OTHER), status(State.WAITING, OTHER)]
)
def test_new_file_is_delivered_at_once(last: Status | None) -> None:
    assert attempts(Redelivery(), last, 40)[0] == 0


@pytest.mark.parametrize(
    ("state", "is_due"),
    [(State.DELIVERED, True), (State.WAITING, True), (State.ROLLED_BACK, False)],
)
def test_first_file_is_checked_unless_it_was_rolled_back(state: State, is_due: bool) -> None:
    redelivery = Redelivery(is_checked_first=True)
    assert redelivery.is_due(ONE, status(state), 0.0) is is_due
    redelivery.record_attempt(0.0, 0.0)
    assert not redelivery.is_due(ONE, status(State.UNCHANGED), 100.0)


def test_new_rendering_resets_the_backoff() -> None:
    redelivery = Redelivery()
    attempts(redelivery, status(State.WAITING), 200)
    assert not redelivery.is_due(OTHER, status(State.WAITING, OTHER), 200.0)
    assert redelivery.is_due(OTHER, status(State.WAITING, OTHER), 201.0)


def test_missing_staging_file_is_not_due() -> None:
    assert not Redelivery().is_due(None, status(State.WAITING), 1000.0)
