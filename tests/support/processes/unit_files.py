"""Files of units for tests of the supervisor, and waiting for what it does with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 20.0  # seconds
CONFIG: dict[str, Any] = {
    "service": "gaara-store",
    "environment": "dev",
    "vault_addr": "http://127.0.0.1:1",
    "wrap_ttl": 120,
    "starter_role_id_file": "/s/role-id",
    "starter_secret_id_file": "/s/secret-id",
    "program": "/bin/bao",
    "agent_config": "/a/agent.hcl",
    "secret_id_file": "/a/secret-id",
    "python": "/usr/bin/python3",
    "working_directory": "/w",
    "deliveries": [{"template": "/a/t", "staging": "/c/staging/t", "live": "/c/t", "model": "m:C"}],
}


def write_unit(folder: Path, **changes: object) -> Path:
    """Write the ``run.json`` of a unit that needs no secret-id and delivers no file; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    own: dict[str, object] = {
        "starter_role_id_file": None,
        "starter_secret_id_file": None,
        "agent_config": str(folder / "agent.hcl"),
        "secret_id_file": str(folder / "secret-id"),
        "working_directory": str(folder),
        "deliveries": [],
    }
    path = folder / "run.json"
    path.write_text(json.dumps({**CONFIG, **own, **changes}))
    return path


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (other processes make it true)
            await asyncio.sleep(0.01)
