"""Health of units as metrics, for the node exporter's textfile collector."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from agent.supervisor.health import UnitHealth
from agent.supervisor.unit_state import RunState, UnitState

_HELP: Final = {
    "running": "1 if the process of the unit's agent runs, 0 if not.",
    "delivered": "1 if all files of the unit are live, 0 if not.",
    "checked_timestamp_seconds": "When the units were last checked.",
}


def process_exists(pid: int) -> bool:
    """Return whether there is a process *pid*, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def render_unit_metrics(
    units: Iterable[UnitHealth], now: datetime, exists: Callable[[int], bool] = process_exists
) -> str:
    """Return the metrics of *units* as text."""
    running, delivered = {}, {}
    for unit in units:
        labels = f'{{unit="{_escape(unit.name)}"}}'
        running[labels] = float(_is_running(unit.state, exists))
        delivered[labels] = float(unit.problem is None)
    families = {
        "running": running,
        "delivered": delivered,
        "checked_timestamp_seconds": {"": now.timestamp()},
    }
    return "".join(line for name, samples in families.items() for line in _family(name, samples))


def _is_running(state: UnitState | None, exists: Callable[[int], bool]) -> bool:
    if state is None or state.state is not RunState.RUNNING or state.pid is None:
        return False
    return exists(state.pid)


def _family(name: str, samples: Mapping[str, float]) -> Iterator[str]:
    full = f"strongroom_agent_{name}"
    yield f"# HELP {full} {_HELP[name]}\n# TYPE {full} gauge\n"
    yield from (f"{full}{labels} {value}\n" for labels, value in samples.items())


def _escape(text: str) -> str:
    """Return *text* as a label has it. A folder may have any name."""
    clean = text.encode(errors="replace").decode()
    return clean.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
