"""Container of the agents: the restart of one of them."""

from __future__ import annotations

import secrets
import time
from typing import Any, Final

from app_integration.config.delivery_status import Status, parse_status, status_file
from app_integration.errors import ConfigRejected
from local.docker.compose import INSIDE
from local.docker.engine import log_tail
from local.runtime_interface import AgentUnit, StartFailed

#: Run in the agents' container: write a template, then ``run.json`` with another generation, on
#: which the supervisor starts the agent again.
_RESTART: Final = """
import json, os, pathlib, sys
run, generation, target, template = sys.argv[1:]
if template:
    pathlib.Path(target).write_text(template, encoding="utf-8")
path = pathlib.Path(run)
unfinished = path.with_suffix(".unfinished")
data = json.loads(path.read_text(encoding="utf-8"))
unfinished.write_text(json.dumps({**data, "generation": generation}), encoding="utf-8")
os.replace(unfinished, path)
"""
_DELIVERY_SECONDS: Final = 40.0
_POLL_SECONDS: Final = 0.2


def restart_unit(container: Any, unit: AgentUnit, template: str | None) -> None:
    """Have the supervisor in *container* restart an agent, and wait until it has delivered."""
    generation = secrets.token_hex(8)
    run, target = INSIDE / unit.folder / "run.json", INSIDE / unit.template
    arguments = [str(run), generation, str(target), template or ""]
    done = container.exec_run(["python3", "-c", _RESTART, *arguments])
    if done.exit_code:
        reason = f"{unit.folder.name} has no files; write them with: strongroom up"
        raise StartFailed("agent", reason, log_tail(container))
    deadline = time.monotonic() + _DELIVERY_SECONDS
    while (status := _read_status(container, unit, generation)) is None:
        if time.monotonic() > deadline:
            reason = f"it delivered nothing within {_DELIVERY_SECONDS:.0f} s"
            raise StartFailed("agent", reason, log_tail(container))
        time.sleep(_POLL_SECONDS)
    if not status.state.is_live:
        raise ConfigRejected(
            f"the rendered config is {status.state}: {status.reason}; write the secret again with "
            "strongroom put, or fix the template or the model, and run up again"
        )


def _read_status(container: Any, unit: AgentUnit, generation: str) -> Status | None:
    """Return the status of the delivery from *generation*, or None if there is none yet."""
    state = container.exec_run(["cat", str(INSIDE / unit.folder / "state.json")])
    status = container.exec_run(["cat", str(INSIDE / status_file(unit.live))])
    if generation.encode() not in state.output or status.exit_code:
        return None
    return parse_status(status.output)
