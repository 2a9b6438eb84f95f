"""Programs that run side by side in the foreground."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from local.example_services import ForegroundProgram, run_together
from tests.support.polling import wait_until

#: Writes a file when it has started, and another when it gets SIGTERM.
WAITING = """
import signal, sys, pathlib
started, ended = map(pathlib.Path, sys.argv[1:])
def end(*_):
    ended.write_text("")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
started.write_text("")
signal.pause()
"""
EXITING = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
sys.exit(3)
"""


def program(text: str, *arguments: Path) -> ForegroundProgram:
    return ForegroundProgram(
        [sys.executable, "-c", text, *map(str, arguments)], {"PATH": os.environ["PATH"]}
    )


def test_exit_of_one_program_stops_the_other(tmp_path: Path) -> None:
    started, ended = tmp_path / "started", tmp_path / "ended"
    code = run_together([program(WAITING, started, ended), program(EXITING, started)])
    assert code == 3
    assert ended.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_all_programs(tmp_path: Path, number: signal.Signals) -> None:
    paths = [tmp_path / name for name in ("started-1", "ended-1", "started-2", "ended-2")]

    def interrupt() -> None:
        wait_until(lambda: paths[0].exists() and paths[2].exists(), "both programs")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code = run_together([program(WAITING, *paths[:2]), program(WAITING, *paths[2:])])
    thread.join()
    assert code == 0
    assert all(path.exists() for path in paths)
