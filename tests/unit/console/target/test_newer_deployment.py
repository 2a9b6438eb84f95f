"""Commands on a deployment of a newer format: each refuses, and changes nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from local.layout import Layout
from tests.support.processes.command import run_command

ENV = "--env dev"
SECRET = f"jwt-secret --service gaara-store {ENV}"


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "down",
        "status",
        "store",
        # Erasing is refused too, because parts that this version does not know would stay.
        "reset --yes",
        f"plan {ENV}",
        f"apply {ENV}",
        f"put {SECRET}",
        f"adopt {SECRET}",
        f"rotate-password {SECRET}",
        f"export-env --service gaara-store {ENV} --reason test",
        f"import-env {{file}} --service gaara-store {ENV}",
        "environments diff dev prod",
    ],
)
def test_command_on_a_newer_deployment_refuses_and_changes_nothing(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    layout = Layout(tmp_path / ".strongroom")
    layout.root.mkdir()
    layout.format.write_text("2\n")
    file = tmp_path / ".env"
    file.write_text("SMTP_PASSWORD=invented\n")
    words = [word.format(file=file) for word in command.split()]
    monkeypatch.setattr("sys.stdin", io.StringIO("invented"))
    assert run_command(monkeypatch, *words, "--root", str(layout.root)) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert f"error: {layout.format}: the deployment has format 2" in printed
    assert "install a newer strongroom" in printed
    assert list(layout.root.iterdir()) == [layout.format]
    assert layout.format.read_text() == "2\n"
