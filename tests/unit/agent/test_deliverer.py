"""Tests of the deliveries by the supervisor."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.deliverer import Deliverer
from agent.run_settings import RunSettings
from app_integration._internal.event_log import EventLog
from tests.support.processes.unit_files import CONFIG


def test_cancelled_delivery_ends_though_its_command_ends_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a supervisor that is stopped at that moment delivers for ever."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(CONFIG))
    settings = RunSettings.from_file(path)
    deliverer = Deliverer(settings, EventLog(), clock=lambda: 0.0, jitter=lambda: 0.0)

    async def scenario() -> bool:
        outputs = [asyncio.get_running_loop().create_future() for _ in range(2)]
        remaining = iter(outputs)

        class Process:
            returncode = 0

            async def communicate(self) -> Any:
                return await next(remaining)

        async def start(*_: object, **__: object) -> Process:
            return Process()

        async def deliver_repeatedly() -> None:
            while True:
                await deliverer.deliver(settings.deliveries[0])

        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        task = asyncio.create_task(deliver_repeatedly())
        for _ in range(5):
            await asyncio.sleep(0)
        outputs[0].set_result((b"", None))
        await asyncio.sleep(0)
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        is_cancelled = task.cancelled()
        task.cancel()
        return is_cancelled

    assert asyncio.run(scenario())
