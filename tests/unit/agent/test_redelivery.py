"""When what was rendered and isn't live is tried again."""

from __future__ import annotations

import itertools

import pytest

from agent.redelivery import Redelivery
from app_integration._internal.private_file import Stamp
from app_integration.config.deliver import State, Status

PATIENCE = 31.0
ONE: Stamp = (1, 2, 3, 4, 5)
OTHER: Stamp = (1, 9, 3, 4, 5)


def status(state: State, staged: Stamp | None = ONE) -> Status:
    return Status(state, None, "", "", 1, staged)


def tries(redelivery: Redelivery, status: Status | None, seconds: int) -> list[int]:
    """The seconds, of that many, in which it is tried, when nothing comes of it."""
    found = []
    for second in range(seconds):
        if redelivery.due(ONE, status, float(second)):
            redelivery.tried(float(second), 0.0)
            found.append(second)
    return found


@pytest.mark.parametrize("state", [State.DELIVERED, State.UNCHANGED, State.REFUSED])
def test_what_is_live_or_refused_for_good_is_left_alone(state: State) -> None:
    assert tries(Redelivery(PATIENCE), status(state), 500) == []


def test_what_waits_is_tried_again_with_growing_pauses_and_without_end() -> None:
    found = tries(Redelivery(PATIENCE), status(State.WAITING), 300)
    pauses = [later - earlier for earlier, later in itertools.pairwise(found)]
    assert found[0] == 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30


@pytest.mark.parametrize(
    "last", [None, status(State.DELIVERED, OTHER), status(State.WAITING, OTHER)]
)
def test_what_nobody_spoke_of_is_left_to_the_agents_own_command_first(last: Status | None) -> None:
    assert tries(Redelivery(PATIENCE), last, 40)[0] == PATIENCE


def test_another_rendering_begins_anew() -> None:
    redelivery = Redelivery(PATIENCE)
    tries(redelivery, status(State.WAITING), 200)
    assert not redelivery.due(OTHER, status(State.WAITING, OTHER), 200.0)
    assert redelivery.due(OTHER, status(State.WAITING, OTHER), 201.0)


def test_nothing_rendered_is_nothing_to_do() -> None:
    assert not Redelivery(PATIENCE).due(None, status(State.WAITING), 1000.0)
