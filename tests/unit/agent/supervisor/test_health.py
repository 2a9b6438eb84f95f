"""Tests of the check whether each unit of a folder has delivered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agent.supervisor.delivered_file import DeliveredFile
from agent.supervisor.health import describe_outcomes, describe_problems, read_health
from agent.supervisor.unit_file import UnitFile
from agent.supervisor.unit_state import RunState, StateRecorder
from app_integration._internal.private_file import stamp
from app_integration.config.delivery_status import State, Status, status_file
from tests.support.processes.unit_files import write_unit


def status(state: State, reason: str | None = None) -> Status:
    return Status(state, reason, "", "", 1, None)


@pytest.fixture
def delivery(tmp_path: Path) -> DeliveredFile:
    for name in ("staging", "live"):
        (tmp_path / name).mkdir(mode=0o700)
    live = tmp_path / "live" / "app.yaml"
    return DeliveredFile(tmp_path / "t", tmp_path / "staging" / "app.yaml", live, "m:C")


@pytest.mark.parametrize("state", [State.DELIVERED, State.UNCHANGED])
def test_live_file_is_no_problem(delivery: DeliveredFile, state: State) -> None:
    delivery.live.write_text("x")
    assert describe_outcomes([(delivery, status(state))], None) is None


def test_unit_without_files_has_no_problem() -> None:
    assert describe_outcomes([], "the agent exited") is None


@pytest.mark.parametrize(
    ("outcome", "reason", "expected"),
    [
        (None, None, "{live} is not delivered yet"),
        (None, "denied", "{live} is not delivered yet; denied"),
        (status(State.REFUSED, "key: too_short"), None, "{live} is refused: key: too_short"),
        (status(State.WAITING, "disk full"), None, "{live} is waiting: disk full"),
        (status(State.DELIVERED), None, "{live} is missing; restart the supervisor"),
    ],
)
def test_file_that_is_not_live_is_named_with_its_reason(
    delivery: DeliveredFile, outcome: Status | None, reason: str | None, expected: str
) -> None:
    found = describe_outcomes([(delivery, outcome)], reason)
    assert found == expected.format(live=delivery.live)


def problems_in(folder: Path) -> Iterator[str]:
    return describe_problems(read_health(folder))


def start(path: Path, state: RunState, reason: str | None = None) -> None:
    """Write the state that a supervisor writes for the current version of *path*."""
    StateRecorder(path.parent, "", UnitFile.read(path).digest).write(state, reason=reason)


def stage_and_deliver(delivery: DeliveredFile, text: str) -> None:
    delivery.staging.write_text(text)
    delivery.live.write_text(text)
    delivered = replace(status(State.DELIVERED), staged=stamp(delivery.staging))
    status_file(delivery.live).write_text(json.dumps(asdict(delivered)))


def test_unit_is_healthy_from_its_delivery_until_the_next_rendering(
    tmp_path: Path, delivery: DeliveredFile
) -> None:
    units = tmp_path / "units"
    path = write_unit(units / "a", deliveries=[delivery.to_json()])
    assert list(problems_in(units)) == ["a: the supervisor has not started it yet"]
    start(path, RunState.WAITING, "the start failed:\n denied")
    not_delivered = f"a: {delivery.live} is not delivered yet"
    assert list(problems_in(units)) == [f"{not_delivered}; the start failed: denied"]
    start(path, RunState.RUNNING)
    assert list(problems_in(units)) == [not_delivered]
    stage_and_deliver(delivery, "first")
    assert list(problems_in(units)) == []
    delivery.staging.write_text("second")
    assert list(problems_in(units)) == [not_delivered]


def test_unit_whose_configuration_was_changed_has_not_started(
    tmp_path: Path, delivery: DeliveredFile
) -> None:
    units = tmp_path / "units"
    path = write_unit(units / "a", deliveries=[delivery.to_json()])
    stage_and_deliver(delivery, "first")
    start(path, RunState.RUNNING)
    assert list(problems_in(units)) == []
    write_unit(units / "a", deliveries=[delivery.to_json()], generation="g2")
    assert list(problems_in(units)) == ["a: the supervisor has not started it yet"]


def test_each_unit_with_a_problem_has_one_line(tmp_path: Path) -> None:
    units = tmp_path / "units"
    start(write_unit(units / "a"), RunState.RUNNING)
    write_unit(units / "b", wrap_ttl="soon")
    write_unit(units / "c")
    first, second = problems_in(units)
    assert first.startswith(f"b: {units}/b/run.json: ")
    assert second == "c: the supervisor has not started it yet"
