"""Health of a folder of units, from their files alone: ``python -m agent.supervisor --check``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.supervisor.delivered_file import DeliveredFile
from agent.supervisor.unit_file import UnitFile, find_unit_files
from agent.supervisor.unit_state import UnitState, read_state
from app_integration.config.delivery_status import Status
from app_integration.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class UnitHealth:
    """Health of a unit."""

    name: str
    state: UnitState | None
    problem: str | None


def read_health(folder: Path) -> Iterator[UnitHealth]:
    """Yield the health of each unit in *folder*."""
    for path in find_unit_files(folder):
        file = UnitFile.read(path)
        state = read_state(file.folder)
        yield UnitHealth(file.name, state, _describe_problem(file, state))


def describe_problems(units: Iterable[UnitHealth]) -> Iterator[str]:
    """Yield one line for each of *units* that has not delivered, without secrets."""
    for unit in units:
        if unit.problem is not None:
            yield f"{unit.name}: {' '.join(unit.problem.split())}"


def _describe_problem(file: UnitFile, state: UnitState | None) -> str | None:
    """Return why the unit of *file* has not delivered; None if all its files are live."""
    try:
        settings = file.parse()
    except ConfigurationError as error:
        return str(error)
    if state is None or state.digest != file.digest:
        return "the supervisor has not started it yet"
    outcomes = [(each, each.read_outcome()) for each in settings.deliveries]
    return describe_outcomes(outcomes, state.reason)


def describe_outcomes(
    outcomes: Sequence[tuple[DeliveredFile, Status | None]], reason: str | None
) -> str | None:
    """Return which file is not live, and why; None if each is."""
    for delivery, status in outcomes:
        if status is None:
            return f"{delivery.live} is not delivered yet{f'; {reason}' if reason else ''}"
        if not status.state.is_live:
            return f"{delivery.live} is {status.state}: {status.reason}"
        if not delivery.live.exists():
            return f"{delivery.live} is missing; restart the supervisor"
    return None
