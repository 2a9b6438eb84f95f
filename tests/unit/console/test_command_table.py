"""Commands are imported when they run, and not before."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from agent.jobs import builders
from agent.targets import targets
from console.cli import INTERRUPTED
from console.command_table import ALIASES, COMMANDS, PANELS, Place
from console.commands.command_group import Commands
from console.commands.deploy import agent_build, units
from tests.support.processes.command import run_command

SHOW = """
import sys
sys.argv = ["strongroom", *{arguments}]
from console.cli import main
try:
    main()
except SystemExit:
    pass
print(*(name for name in sys.modules if name in {watched}), file=sys.stderr)
"""


#: Runs the command ``check``, and interrupts it when it imports a module.
INTERRUPT = """
import sys

class Interrupt:
    def find_spec(name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.argv = ["strongroom", "check"]
sys.meta_path.insert(0, Interrupt)
from console.cli import main
main()
"""


@pytest.mark.parametrize(
    "module", ["typer", "rich.console", "console.command_table", "console.commands.every_day.check"]
)
def test_interrupted_import_ends_the_command_without_a_traceback(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == INTERRUPTED
    assert done.stderr.startswith("\nInterrupted; ")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (["wrong"], set()),
        (["--help"], set()),
        (["--version"], set()),
        (["aws", "--help"], set()),
        (["aws", "cost", "--help"], {"console.commands.aws.cost"}),
        (["cost", "--help"], {"console.commands.aws.cost"}),
        (["plan", "--help"], {"console.commands.every_day.plan"}),
        (["policies", "test", "--help"], {"console.commands.deploy.policies"}),
        (["status", "--help"], set()),
    ],
)
def test_only_the_named_command_is_imported(arguments: list[str], imported: set[str]) -> None:
    watched = {
        "console.commands.aws.cost",
        "console.commands.every_day.plan",
        "console.commands.deploy.policies",
        "sqlalchemy",
    }
    code = SHOW.format(arguments=arguments, watched=watched)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert {*done.stderr.splitlines()[-1].split()} == imported


def described(places: Mapping[str, Place]) -> Iterator[tuple[str, Place, Any]]:
    """Yield the name, place and command of each, and of those in groups."""
    for name, command in Commands(places).items():
        yield name, places[name], command
        if not isinstance(target := places[name].target, str):
            yield from described(target)


def test_summary_of_each_command_is_the_first_sentence_of_its_help() -> None:
    for name, place, command in described(COMMANDS):
        paragraph = " ".join(command.help.partition("\n\n")[0].split())
        assert place.summary == re.split(r"(?<=\.) ", paragraph)[0], name
        assert not command.hidden, name
        assert not command.deprecated, name


def test_panels_are_by_use_and_have_each_command_once() -> None:
    assert [*PANELS] == [
        *("Start", "Every day", "Rotate", "Audit", "Personal data", "Deploy and operate"),
        *("AWS", "This example"),
    ]
    assert sum(map(len, PANELS.values())) == len(COMMANDS)
    assert ALIASES.keys().isdisjoint(COMMANDS)


@pytest.mark.parametrize("columns", [80, 120])
def test_help_shows_the_panels_in_order_and_no_former_name(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run_command(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert re.findall(r"╭─ (.*?) ─", shown) == ["Options", *PANELS]
    names = re.findall(r"^│ ([a-z][a-z-]*) ", shown, re.MULTILINE)
    assert names == [*COMMANDS]
    assert max(map(len, shown.splitlines())) == columns


def test_wrong_command_of_a_group_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "file", "encrpt") == 64
    assert "No such command 'encrpt'. Did you mean 'encrypt'" in capsys.readouterr().err


def test_group_alone_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "file") == 64
    printed = capsys.readouterr()
    assert " file [OPTIONS] COMMAND" in printed.out
    assert printed.err == ""


def test_targets_and_runners_are_those_that_have_a_builder() -> None:
    assert [*agent_build.Target] == [*targets.BUILDERS] == [*targets.SDK_BUILDERS]
    assert [*units.Runner] == [*builders.BUILDERS]
