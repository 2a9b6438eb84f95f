"""Tests of the supervisor's decisions and configuration, without its processes."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.run_settings import RunSettings
from agent.secret_id import issue_secret_id
from agent.supervisor import HEALTHY_AFTER, count_failure, deliver, log
from app_integration.session.session import Session
from tests.support.processes.unit_files import CONFIG

ROOT = Path(__file__).parents[3]


def test_long_run_resets_the_failure_count() -> None:
    assert count_failure(5, HEALTHY_AFTER) == 1
    assert count_failure(5, HEALTHY_AFTER - 0.1) == 6
    assert count_failure(0, 0.0) == 1


def test_event_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    log("start_failed", reason="two\nlines", live=Path("/c"))
    line, end = capsys.readouterr().err.split("\n")
    event = json.loads(line)
    assert end == ""
    assert {**event, "time": "t"} == {
        "time": "t",
        "event": "start_failed",
        "reason": "two\nlines",
        "live": "/c",
    }


def test_secret_id_is_requested_wrapped() -> None:
    requested: list[tuple[str, int | None]] = []

    class Fake(Session):
        def __init__(self) -> None:
            """Skip the constructor, which needs a server."""

        def post(
            self,
            path: str,
            body: Mapping[str, Any] | None = None,
            *,
            wrap_ttl: int | None = None,
            retry: bool = True,
        ) -> dict[str, Any]:
            assert (body, retry) == ({"num_uses": "1", "ttl": "120s"}, True)
            requested.append((path, wrap_ttl))
            return {"wrap_info": {"token": "s.wrapped"}}

    assert issue_secret_id(Fake(), "gaara-store-dev", 120) == "s.wrapped"
    assert requested == [("auth/approle/role/gaara-store-dev/secret-id", 120)]


def test_cancelled_delivery_ends_though_its_command_ends_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a supervisor that is stopped at that moment delivers for ever."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(CONFIG))
    settings = RunSettings.from_file(path)

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
                await deliver(settings.deliveries[0], settings)

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


@pytest.mark.parametrize(("arguments", "code"), [([], 64), (["--config", "/no/such/file"], 1)])
def test_supervisor_reports_why_it_cannot_run(arguments: list[str], code: int) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "agent.supervisor", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code
    assert "--config" in run.stderr or "No such file" in run.stderr
