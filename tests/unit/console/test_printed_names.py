"""Names of others are printed as they are: ``:secret:`` in an ARN is no emoji."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from rich.console import Console

from app_integration.errors import ConfigurationError
from console import cli
from console.views.columns import print_columns
from console.views.escapes import say, show_finding
from tests.support.processes.command import run_command

ARN: Final = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/prod/url"


@pytest.mark.parametrize(
    "show",
    [
        lambda console: say(console, ARN),
        lambda console: show_finding(console, ARN),
        lambda console: print_columns(console, [["name"], [ARN]]),
    ],
    ids=["line", "finding", "columns"],
)
def test_printed_arn_is_as_it_is(show: Callable[[Console], None]) -> None:
    console = Console(width=200)
    with console.capture() as capture:
        show(console)
    assert ARN in capture.get()


def test_error_with_an_arn_shows_it_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise ConfigurationError(f"{ARN} is denied")

    monkeypatch.setattr(cli, "app", fail)
    assert run_command(monkeypatch, "plan") == 1
    assert f"error: {ARN} is denied" in " ".join(capsys.readouterr().err.split())
