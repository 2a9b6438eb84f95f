"""The same word is the same option in every command, but for the exceptions listed here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from console import cli
from console.command_table import PANELS
from console.scaffold.new_repository import NewRepository
from tests.support.processes.command import CommandLine, run_command

#: Option → commands in which it differs from that of all other commands, by the reason. What
#: several of them share is alike again. "There" is another machine, on which a job or agent runs.
EXCEPTIONS: Final = {
    "--audit-log": {
        "no archive is accepted": ["audit archive", "audit devices"],
        "there": ["units"],
    },
    "--duty": {"of workers that run": ["migrate throttle"]},
    "--env": {
        "several": ["console"],
        "dev alone": ["dev-values share", "dev-values open"],
    },
    "--folder": {
        "the archive": ["audit archive"],
        "the application, there": ["agent build"],
        "there": ["units"],
    },
    "--for": {
        "the runner of a job": ["units"],
        "the runner of an agent": ["agent build"],
        "the runner of workers": ["migrate build"],
        "a duration": ["rollout watch"],
    },
    "--given": {"a secret, not values": ["new service"]},
    "--idle": {"of a worker": ["migrate work"]},
    "--image": {"for either runner": ["migrate build"]},
    "--keep": {
        "audit lines": ["audit ingest"],
        "segments": ["audit archive"],
        "a deletion's": ["audit verify"],
        "there": ["units"],
    },
    "--key": {
        "new keys": ["new service", "import-env"],
        "of any service": ["policies explain"],
    },
    "--metrics": {"there": ["units"]},
    "--name": {
        "the new name": ["adopt-kv"],
        "of a database user": ["audit ingest"],
    },
    "--out": {
        "a folder of credentials": ["bootstrap", "issue-secret-id", "break-glass", "rotate"],
        "a folder of files": [
            *("agent build", "units", "monitoring build", "aws rotation-function", "sdk-wheel"),
            "migrate build",
        ],
    },
    "--recipient": {"a key of a service, too": ["file encrypt", "file rewrap"]},
    "--reload": {"there": ["units"]},
    "--role": {"of a credential": ["unwrap"], "that has policies": ["policies why"]},
    "--secret": {"a variable": ["import-env"]},
    "--service": {
        "the only one by default": [
            *("adopt", "adopt-kv", "export-env", "put", "doctor", "redis-rules record"),
            *("run", "get"),
        ],
        "a filter": [
            *("plan", "apply", "dev-values share", "rotate", "ledger", "audit report"),
            *("policies check", "policies test", "aws copy-secrets"),
        ],
        "the owner of a key": ["audit read", "audit verify", "logs read"],
        "of a backup": ["backup restore"],
        "of a job": ["units"],
    },
    "--store": {"there": ["units"]},
    "--undo": {"of an adoption": ["adopt"]},
    "--wait": {"no duration": ["migrate run"]},
}
#: Panels whose commands are for this machine, where ``--env`` is dev by default.
ON_THIS_MACHINE: Final = ("Start", "Every day")
#: Commands without a default all the same, or that need no environment, by the reason.
NO_DEFAULT: Final = {
    "apply": "without its FILE, such as an unset variable in CI, it would apply something else",
    "audit read": "with --identity there is none",
    "audit verify": "with --identity there is none",
    "logs read": "with --identity there is none",
    "backup restore": "--drill needs none",
    "policies diff": "a NAME alone is compared with the tool's own",
}


def walk(command: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each option below *command*, with the command's name."""
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, f"{prefix} {name}".strip())
    if not hasattr(command, "commands"):
        yield from ((prefix, each) for each in command.params if each.opts[0].startswith("-"))


OPTIONS: Final = defaultdict[str, dict[str, Any]](dict)
for command_name, each_option in walk(typer.main.get_command(cli.app)):
    OPTIONS[each_option.opts[0]][command_name] = each_option
PANEL_OF: Final = {name: title for title, panel in PANELS.items() for name in panel}


def form(option: Any) -> tuple[str, str]:
    """Return what a user sees of *option* and what it takes."""
    return str(option.help), str(option.type_descriptor.annotation)


@pytest.mark.parametrize("name", OPTIONS)
def test_option_is_the_same_in_every_command(name: str) -> None:
    rest = dict(OPTIONS[name])
    groups = EXCEPTIONS.get(name, {})
    forms = [{form(rest.pop(command)) for command in group} for group in groups.values()]
    forms.append({form(option) for option in rest.values()})
    assert [len(each) for each in forms] == [1] * len(forms), forms
    assert len(set.union(*forms)) == len(forms), "an exception is none"


def test_exceptions_are_of_options() -> None:
    assert EXCEPTIONS.keys() <= OPTIONS.keys()


def test_environment_is_dev_by_default_on_this_machine_and_required_elsewhere() -> None:
    for command, option in OPTIONS["--env"].items():
        default = option.default() if callable(option.default) else option.default
        if command in NO_DEFAULT:
            expected: tuple[Any, bool] = (None, False)
        elif PANEL_OF[command.partition(" ")[0]] in ON_THIS_MACHINE:
            expected = (["dev"] if command == "console" else "dev", False)
        else:
            expected = (None, True)
        assert (default, option.required) == expected, command


def test_service_is_the_only_one_by_default_on_this_machine() -> None:
    filters = EXCEPTIONS["--service"]["a filter"]
    for command, option in OPTIONS["--service"].items():
        is_here = PANEL_OF[command.partition(" ")[0]] in ON_THIS_MACHINE
        if is_here and command not in filters and command != "import-env":  # which may declare it
            assert command in EXCEPTIONS["--service"]["the only one by default"]
            assert not option.required, command


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository of the services a and b, which is the working folder."""
    NewRepository("parcels", "ada").write(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        options = ("--owner", "ada", "--description", "x")
        assert run_command(monkeypatch, "new", "service", name, *options) == 0
    return tmp_path


#: Command without a service that is the only one by default → its other arguments.
ONLY_ONE: Final = {
    "adopt": "token",
    "adopt-kv": "secret/team#token",
    "export-env": "--reason test",
    "put": "token",
    "doctor": "",
    "redis-rules record": "-- true",
    "run": "-- true",
    "get": "token",
}


@pytest.mark.parametrize("command", EXCEPTIONS["--service"]["the only one by default"])
def test_service_that_is_not_named_is_the_only_one_of_the_environment(
    command: str,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, line = (
        (*command.split(), *ONLY_ONE[command].split()),
        CommandLine(monkeypatch, capsys),
    )
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)  # which get needs
    several = "error: dev has several services; pass --service a or --service b"
    line.assert_rejected(1, several, *arguments)
    dev = repository / "environments" / "dev.yaml"
    dev.write_text(dev.read_text().replace("  a: {}\n  b: {}\n", ""))
    dev.write_text(dev.read_text().replace("services:\n", "services: {}\n"))
    none = "error: dev has no service; declare one with strongroom new service"
    line.assert_rejected(1, none, *arguments)


def test_empty_service_is_not_the_only_one(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = repository / "environments" / "dev.yaml"
    dev.write_text(dev.read_text().replace("  b: {}\n", ""))
    line = CommandLine(monkeypatch, capsys)
    line.assert_rejected(1, "error: service name '': use at most", "put", "token", "--service", "")


def test_service_of_another_environment_need_not_be_ruled_out(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = repository / "environments" / "dev.yaml"
    dev.write_text(dev.read_text().replace("  b: {}\n", ""))
    CommandLine(monkeypatch, capsys).assert_rejected(1, "a-dev has no secret", "put", "token")
