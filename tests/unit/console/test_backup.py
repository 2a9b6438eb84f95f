"""Progress and interruption of the backup commands."""

from __future__ import annotations

import io
import os
import signal

import pytest
from rich.console import Console

from console.backup import _interruptible
from console.byte_progress import show_progress
from vault.backup.errors import BackupFailed


def test_progress_shows_each_step_on_a_terminal() -> None:
    shown = io.StringIO()
    with (
        show_progress(Console(file=shown, force_terminal=True, width=120)) as progress,
        progress("dumping", 4000) as advance,
    ):
        advance(1000)
    assert "dumping" in shown.getvalue()
    assert "4.0/4.0 kB" in shown.getvalue()


def test_progress_elsewhere_shows_nothing() -> None:
    shown = io.StringIO()
    with show_progress(Console(file=shown)) as progress, progress("dumping", 0) as advance:
        advance(1)
    assert shown.getvalue() == ""


def test_interrupted_command_says_what_is_left() -> None:
    with pytest.raises(BackupFailed, match=r"^interrupted; nothing is left$"):
        _end_by_signal()


def _end_by_signal() -> None:
    with _interruptible("nothing is left"):
        os.kill(os.getpid(), signal.SIGTERM)
