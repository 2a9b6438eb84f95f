"""Command ``monitoring`` where it cannot run, and the commands of the checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.layout import Layout
from local.monitoring import checks
from tests.support.processes.command import run_command


def prepare(folder: Path, runtime: str) -> Path:
    """Return the folder of a deployment that was started on *runtime*."""
    layout = Layout(folder / ".strongroom")
    layout.create()
    layout.runtime.write_text(runtime)
    return layout.root


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ("docker", "STRONGROOM_RUNTIME=embedded only"),
        ("moto", "watch an environment on AWS with 'monitoring' under 'aws' in its file"),
        ("embedded", "apt-get install prometheus prometheus-alertmanager prometheus-node-exporter"),
    ],
)
def test_up_that_is_not_possible_says_why_and_starts_nothing(
    runtime: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = prepare(tmp_path, runtime)
    monkeypatch.setattr("local.monitoring.local_monitoring.shutil.which", lambda _: None)
    assert run_command(monkeypatch, "monitoring", "up", "--root", str(root)) == 1
    assert message in capsys.readouterr().err
    assert not (root / "monitoring").exists()


def test_up_of_a_deployment_that_was_never_started_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "monitoring", "up", "--root", str(tmp_path / "no")) == 1
    assert "strongroom up" in capsys.readouterr().err


def test_down_of_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "monitoring", "down", "--root", str(tmp_path / "no")) == 0
    assert capsys.readouterr().out == "Nothing was running.\n"


def test_check_that_hangs_does_not_keep_the_others_from_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "written"
    monkeypatch.setattr(checks, "TIMEOUT", 1)  # seconds, within which the other one ends
    lines = [["sleep", "10"], ["touch", str(written)]]
    monkeypatch.setattr(checks, "commands", lambda *_: iter(lines))
    checks.run_checks(tmp_path, tmp_path)
    assert written.exists()
    assert capfd.readouterr().err == "sleep 10: not done after 1 s\n"
