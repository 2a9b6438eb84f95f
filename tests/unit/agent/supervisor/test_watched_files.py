"""Tests of the deliveries by the supervisor, with the interpreter of this process."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.supervisor import watched_files
from agent.supervisor.child_process import run_command
from agent.supervisor.run_settings import RunSettings
from agent.supervisor.unit_file import UnitFile
from agent.supervisor.watched_files import WatchedFiles
from app_integration._internal.event_log import EventLog
from app_integration._internal.private_file import write_private
from app_integration.config import application_page
from app_integration.config.delivery_status import State, Status, read_status
from app_integration.config.delivery_watch import DeliveryWatch
from tests.support.processes.unit_files import CONFIG, until, write_unit

ROOT = Path(__file__).parents[4]
URL = "http://127.0.0.1:9/health"
MODEL = """
class Config:
    @classmethod
    def model_validate(cls, document):
        return cls()
"""
HANGS = "import time\ntime.sleep(600)\n"


def settings(folder: Path, model: str = MODEL, **keys: object) -> RunSettings:
    """Return the settings of a unit whose file is rendered."""
    (folder / "models.py").write_text(model)
    (folder / "app_integration").symlink_to(ROOT / "app_integration")
    file = {"template": str(folder / "t"), "model": "models:Config", **keys}
    for name in ("staging", "live"):
        (folder / name).mkdir(mode=0o700)
        file[name] = str(folder / name / "app.yaml")
    write_private(folder / "staging" / "app.yaml", "key: first\n")
    return UnitFile.read(write_unit(folder, python=sys.executable, deliveries=[file])).parse()


def status(folder: Path) -> Status | None:
    return read_status(folder / "live" / "app.yaml")


def deliver(settings: RunSettings, observe: Callable[[], Awaitable[object]]) -> float:
    """Deliver the files of a unit until *observe* ends; return how long the stop took."""

    async def scenario() -> float:
        files = WatchedFiles(settings, EventLog("s"), clock=time.monotonic, jitter=lambda: 0.0)
        await files.prepare()
        files.start()
        try:
            await observe()
        finally:
            began = time.monotonic()
            await files.stop()
        return time.monotonic() - began

    return asyncio.run(scenario())


@pytest.mark.parametrize("reload", ["restart", "SIGHUP"])
def test_file_of_an_application_that_cannot_be_told_is_only_replaced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reload: str,
) -> None:
    requests: list[object] = []
    monkeypatch.setattr(application_page, "find_problem", lambda *each: requests.append(each))
    unit = settings(tmp_path, reload=reload, health=URL)
    deliver(unit, lambda: until(lambda: status(tmp_path)))
    found = status(tmp_path)
    assert found is not None
    assert found.state is State.DELIVERED
    assert (tmp_path / "live" / "app.yaml").read_text() == "key: first\n"
    assert requests == []
    shown = capsys.readouterr().err
    assert '"not_tried"' in shown
    assert f"{reload} needs the process of the application, which its developer starts" in shown


def test_stop_ends_a_model_that_hangs(tmp_path: Path) -> None:
    unit = settings(tmp_path, HANGS)
    seconds = deliver(unit, lambda: asyncio.sleep(1.0))
    assert seconds < 3
    found = status(tmp_path)
    assert found is not None
    assert (found.state, found.reason) == (State.WAITING, "the delivery was stopped")


@pytest.mark.parametrize("error", [OSError(28, "No space left", "/f"), KeyError("s.secret")])
def test_delivery_that_fails_is_logged_without_a_value_and_made_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    original, failures = DeliveryWatch._deliver, [error]

    def fail_first(watch: DeliveryWatch) -> None:
        if failures:
            raise failures.pop()
        original(watch)

    monkeypatch.setattr(DeliveryWatch, "_deliver", fail_first)
    deliver(settings(tmp_path), lambda: until(lambda: status(tmp_path)))
    log = capsys.readouterr().err
    first = json.loads(log.splitlines()[0])
    assert (first["event"], first["kind"], first["unit"]) == (
        "delivery_failed",
        type(error).__name__,
        "s",
    )
    assert "s.secret" not in log


def test_unit_without_files_delivers_nothing(tmp_path: Path) -> None:
    unit = UnitFile.read(write_unit(tmp_path)).parse()
    assert deliver(unit, lambda: asyncio.sleep(0)) < 1


def test_waiting_costs_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    async def call(function: Callable[[], object]) -> object:
        calls.append(function)
        return function()

    monkeypatch.setattr(watched_files, "call_in_thread", call)
    monkeypatch.setattr(watched_files, "POLL_INTERVAL", 0.001)
    unit = settings(tmp_path)
    deliver(unit, lambda: asyncio.sleep(1.0))
    assert len(calls) == 2  # prepare, and the one delivery


def test_cancelled_command_ends_though_it_exits_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a supervisor that is stopped at that moment goes on."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(CONFIG))
    unit = UnitFile.read(path).parse()

    async def scenario() -> bool:
        outputs = [asyncio.get_running_loop().create_future() for _ in range(2)]
        remaining = iter(outputs)

        class Process:
            returncode = 0

            async def communicate(self) -> Any:
                return await next(remaining)

        async def start(*_: object, **__: object) -> Process:
            return Process()

        async def run_repeatedly() -> None:
            while True:
                await run_command(["python"], unit, 30.0)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        task = asyncio.create_task(run_repeatedly())
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
