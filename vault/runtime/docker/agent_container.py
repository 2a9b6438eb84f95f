"""Container of the agents: the restart of one of them."""

from __future__ import annotations

import secrets
import time
from typing import Any, Final

from app_integration.config.deliver import status_file
from vault.runtime.docker.compose import INSIDE
from vault.runtime.docker.engine import log_tail
from vault.runtime.runtime import AgentUnit, StartFailed

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
    """Have the supervisor in *container* restart an agent, and wait until it has delivered.

    Args:
        container: The running container, an object of the engine's client.
        unit: The agent.
        template: A compiled template for the agent, or None to keep the one that it has.

    Raises:
        StartFailed: If the agent has no files, or does not deliver in time.

    """
    generation = secrets.token_hex(8)
    run, target = INSIDE / unit.folder / "run.json", INSIDE / unit.template
    arguments = [str(run), generation, str(target), template or ""]
    done = container.exec_run(["python3", "-c", _RESTART, *arguments])
    if done.exit_code:
        reason = f"{unit.folder.name} has no files; write them with: make vault-up"
        raise StartFailed("agent", reason, log_tail(container))
    deadline = time.monotonic() + _DELIVERY_SECONDS
    while not _has_delivered(container, unit, generation):
        if time.monotonic() > deadline:
            reason = f"it delivered nothing within {_DELIVERY_SECONDS:.0f} s"
            raise StartFailed("agent", reason, log_tail(container))
        time.sleep(_POLL_SECONDS)


def _has_delivered(agent: Any, unit: AgentUnit, generation: str) -> bool:
    """Return whether the agent runs on *generation* and has delivered."""
    state = agent.exec_run(["cat", str(INSIDE / unit.folder / "state.json")])
    status = INSIDE / status_file(unit.live)
    return (
        generation.encode() in state.output
        and not agent.exec_run(["test", "-s", str(status)]).exit_code
    )
