"""Questions on a terminal, and errors where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from app_integration.errors import ConfigurationError
from console.views import questions
from console.views.questions import Question, answer
from tests.support.processes.command import run_command


def test_options_that_were_passed_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "has_terminal", lambda: True)
    monkeypatch.setattr(typer, "prompt", lambda text, default: f"{text} {default}")
    asked = {"--owner": Question("Owner", "ada"), "--folder": Question("Folder", default=".")}
    assert answer(asked) == {"--owner": "ada", "--folder": "Folder ."}


def test_without_a_terminal_the_error_names_every_missing_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(questions, "has_terminal", lambda: False)
    asked = {"--owner": Question("Owner"), "--key": Question("Key", "pii"), "--to": Question("To")}
    with pytest.raises(ConfigurationError, match="nothing was changed; pass --owner and --to"):
        answer(asked)


@pytest.mark.parametrize(
    ("command", "missing"),
    [(("init", "team"), "--owner"), (("new", "service", "labels"), "--owner and --description")],
)
def test_command_without_a_terminal_says_which_options_to_pass(
    command: tuple[str, ...],
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(questions, "has_terminal", lambda: False)
    (tmp_path / "strongroom.yaml").write_text("format: 1\n")
    if command[0] == "new":
        monkeypatch.chdir(tmp_path)
    arguments = [str(tmp_path / each) if each == "team" else each for each in command]
    assert run_command(monkeypatch, *arguments) == 1
    assert f"nothing was changed; pass {missing}\n" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["strongroom.yaml"]
