"""Progress and interruption of the backup commands, and files that were renamed."""

from __future__ import annotations

import io
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from app_integration.host_commands.options import offline_cipher
from app_integration.names import Environment, Scope
from backup.errors import BackupFailed
from backup.label import SUFFIX, BackupLabel
from console.commands.deploy.backup import _interruptible
from console.views.byte_progress import show_progress
from tests.support.models.jobs import RECIPIENT
from tests.support.processes.command import run_command


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


@pytest.mark.parametrize("service", ["shop", "mail"])
def test_backup_with_the_name_of_another_is_refused(
    service: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    label = BackupLabel(
        Scope("shop", Environment("prod")), "shop", datetime(2026, 1, 1, tzinfo=UTC)
    )
    renamed = tmp_path / f"{service}-prod-20260102T000000Z{SUFFIX}"
    with offline_cipher(label.scope).create(
        renamed, context=label.context(), recipients=[RECIPIENT]
    ) as file:
        file.write(b"dump")
    assert run_command(monkeypatch, "restore-database", str(renamed), "--drill") == 1
    error = " ".join(capsys.readouterr().err.split())
    assert f"{renamed} is the backup {label.file_name} under another name" in error
