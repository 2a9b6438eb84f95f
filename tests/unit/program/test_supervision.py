"""Supervision of a program whose secrets change."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from app_integration.config.application import ChildApplication
from app_integration.errors import AccessDenied
from app_integration.program import supervision as module
from app_integration.program.supervision import PASSED_ON, Supervision
from tests.support.polling import wait_until

#: Program that writes down its value, and waits.
NOTE: Final = """
import os, signal, sys
with open(sys.argv[1], "a") as file:
    file.write(os.environ["VALUE"] + "\\n")
signal.pause()
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restore the handlers of signals."""
    before = [(number, signal.getsignal(number)) for number in PASSED_ON]
    yield
    for number, handler in before:
        signal.signal(number, handler)


def supervise(
    notes: Path, deliver: Callable[[], dict[str, str | bytes]], steps: Callable[[Supervision], None]
) -> int:
    """Supervise a program while *steps* run in another thread."""
    program = ChildApplication([sys.executable, "-c", NOTE, str(notes)], has_threads=True)
    supervision = Supervision(program, deliver, has_terminal=False)
    thread = threading.Thread(target=steps, args=(supervision,))
    thread.start()
    code = supervision.run()
    thread.join()
    return code


def test_program_goes_on_while_a_new_value_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_RETRY", 0.01)
    notes, values = tmp_path / "notes", iter(["one", "", "", "two"])
    notes.write_text("")

    def deliver() -> dict[str, str | bytes]:
        if value := next(values):
            return {"VALUE": value}
        raise AccessDenied("the secret token is denied")

    def steps(supervision: Supervision) -> None:
        wait_until(lambda: notes.read_text() == "one\n", "the first start")
        supervision.restart()
        wait_until(lambda: notes.read_text() == "one\ntwo\n", "the restart")
        signal.raise_signal(signal.SIGTERM)

    assert supervise(notes, deliver, steps) == 128 + signal.SIGTERM
    errors = capfd.readouterr().err
    assert errors.count('"event": "not_restarted"') == 2
    assert errors.count('"event": "restarted"') == 1


def test_signal_before_the_start_leaves_the_program_out(tmp_path: Path) -> None:
    notes = tmp_path / "notes"

    def deliver() -> dict[str, str | bytes]:
        signal.raise_signal(signal.SIGINT)
        return {"VALUE": "one"}

    assert supervise(notes, deliver, lambda _: None) == 128 + signal.SIGINT
    assert not notes.exists()
