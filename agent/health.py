"""Health of a folder of units, from their files alone: ``python -m agent.supervisor --check``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.delivery import Delivery
from agent.unit_file import UnitFile, find_unit_files
from agent.unit_state import UnitState, read_state
from app_integration.config.delivery_status import Status
from app_integration.errors import ConfigurationError


def find_problems(folder: Path) -> Iterator[str]:
    """Yield one line for each unit in *folder* that has not delivered, without secrets.

    Raises:
        OSError: If *folder* cannot be read.

    """
    for path in find_unit_files(folder):
        file = UnitFile.read(path)
        problem = describe_problem(file, read_state(file.folder))
        if problem is not None:
            yield f"{file.name}: {' '.join(problem.split())}"


def describe_problem(file: UnitFile, state: UnitState | None) -> str | None:
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
    outcomes: Sequence[tuple[Delivery, Status | None]], reason: str | None
) -> str | None:
    """Return which file is not live, and why; None if each is.

    Args:
        outcomes: The files, with the status of what is staged; None if it was not delivered.
        reason: Why the agent is not running; None if it is, or that is not known.

    """
    for delivery, status in outcomes:
        if status is None:
            return f"{delivery.live} is not delivered yet{f'; {reason}' if reason else ''}"
        if not status.state.is_live:
            return f"{delivery.live} is {status.state}: {status.reason}"
        if not delivery.live.exists():
            return f"{delivery.live} is missing; restart the supervisor"
    return None
