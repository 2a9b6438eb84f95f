"""Command ``rotate``: options that contradict each other, and items that fail among others."""

from __future__ import annotations

import io
import shlex
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import typer
from rich.console import Console

from app_integration.errors import AccessDenied, ConfigurationError, StrongroomError
from console.commands.rotate import rotation
from console.target.environment_rotations import Rotations
from console.target.target import open_target
from console.views.rotation import RotationView
from tests.support.processes.command import run_command
from vault.rotation.handover import NO_HANDOVER, Handover
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, Step
from vault.rotation.rotation import Result

TIME = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "options",
    [
        "",
        "''",
        "'' --compromised",
        "token --due",
        "token --due --status",
        "--due --kind secret",
        "--status --kind secret",
        "--due --status",
        "--undo",
        "--compromised",
        "--dry-run",
        "--due --undo",
        "--due --compromised",
        "token --undo --compromised",
        "token --undo --dry-run",
        "token --status --undo",
        "token --compromised --dry-run",
        "token --wait soon",
        "token --wait 0s",
        "token --wait 31d",
        "token --wait 1m --undo",
        "token --wait 1m --compromised",
        "--due --wait 1m",
        "--due --retired",
        "token --status --retired",
        "token --dry-run --retired",
        "token --kind password",
        "token --audit-log /nowhere/audit.log",
    ],
)
def test_options_that_do_not_fit_are_a_usage_error_before_any_request(
    options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "open_rotations", lambda *_: pytest.fail("a session was opened"))
    assert run_command(monkeypatch, "rotate", "--env", "dev", *shlex.split(options)) == 64


@pytest.mark.parametrize(
    ("options", "way_back"),
    [
        ("token", "to go back, pass --undo.\n\nInterrupted; what was finished stays."),
        ("--due", "to go back, pass the name and --undo.\n\nInterrupted; what was finished stays."),
        ("token --status", None),
        ("token --dry-run", None),
    ],
)
def test_interrupted_rotation_is_said_to_be_under_way(
    options: str,
    way_back: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rotation, "open_rotations", interrupt)
    assert run_command(monkeypatch, "rotate", "--env", "dev", *shlex.split(options)) == 130
    printed = capsys.readouterr().err
    assert ("A rotation that has begun is under way" in printed) == (way_back is not None)
    assert (way_back or "") in printed


@dataclass
class Items:
    """Items of which some cannot be read or rotated."""

    errors: dict[str, Exception]
    rotated: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    context: None = None  # of what was not promoted, nothing else is said

    def __post_init__(self) -> None:
        names = [*self.errors, "last"]
        self.items = [Item(Kind.SECRET, "shop", name, name, 60, is_declared=True) for name in names]

    def is_due(self, item: Item) -> bool:
        self.fail(f"{item.name}", AccessDenied)
        return item.name != "young"

    def expect(self, items: list[Item]) -> None:
        self.expected = [item.name for item in items]

    def run(self, item: Item) -> Result:
        self.fail(item.name, Exception)
        self.rotated.append(item.name)
        return Result(Record("id", Step.DONE, TIME))

    def fail(self, name: str, kind: type[Exception]) -> None:
        if isinstance(error := self.errors.get(name), kind):
            raise error


def test_item_that_fails_does_not_keep_the_others_from_rotating() -> None:
    text = io.StringIO()
    items = Items(
        {
            "denied": AccessDenied("GET auth/approle/role/x: denied"),
            "broken": StrongroomError("no"),
            "unreadable": OSError("audit.log: no right to read it"),
        }
    )
    view = RotationView(Console(file=text, width=200))
    with pytest.raises(ConfigurationError, match="not rotated: denied, broken, unreadable"):
        rotation._rotate_due(cast("Rotations", items), view, open_target(), is_dry=False)
    assert items.expected == ["broken", "unreadable", "last"]
    assert items.rotated == ["last"]
    assert "✗ denied: GET auth/approle/role/x: denied" in text.getvalue()


@pytest.mark.parametrize(
    "handover", [Handover(out=Path("handover")), Handover(host="web-1"), Handover(wrap_ttl=60)]
)
def test_option_of_secret_ids_for_another_kind_is_a_usage_error(handover: Handover) -> None:
    item = Item(Kind.SECRET, "shop", "token", "token", 60, is_declared=True)
    with pytest.raises(typer.BadParameter, match="for secret-ids, and token is a secret"):
        rotation._check_handover([item], handover)
    rotation._check_handover([replace(item, kind=Kind.SECRET_ID)], handover)
    rotation._check_handover([item], NO_HANDOVER)
