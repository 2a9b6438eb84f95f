"""What one command shares: the checkout, whose declaration is loaded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from console.options import Env
from console.target.checkout import Checkout, current_checkout, declaration_folder

app = typer.Typer()
seen: list[Checkout] = []


@app.command()
def note(env: Env, _number: Annotated[int, typer.Option("--number")] = 0) -> None:
    assert env == "prod"
    seen.extend((current_checkout(), current_checkout()))


@app.command()
def other() -> None:
    """Make the application one of several commands."""


def test_command_has_the_checkout_that_its_option_was_compared_with() -> None:
    seen.clear()
    for _ in range(2):
        assert CliRunner().invoke(app, ["note", "--env", "production"]).exit_code == 0
    first, again, second, _ = seen
    assert first is again
    assert first is not second
    assert "declaration" in vars(first)


def test_checkout_of_a_command_ends_with_it() -> None:
    for arguments in ("note --env prod", "note --env prod --number x", "note --env qa"):
        CliRunner().invoke(app, arguments.split())
        assert current_checkout() is not current_checkout()


def test_variable_of_an_application_names_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tmp_path / "names.txt"
    names.touch()
    found = []
    for value in ("", str(names), str(tmp_path), str(tmp_path / "absent")):
        monkeypatch.setenv("STRONGROOM_DECLARATION", value)
        found.append(declaration_folder())
    assert found == [None, None, tmp_path, tmp_path / "absent"]
