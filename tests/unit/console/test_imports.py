"""A command loads the packages that its usual work needs, and no other slow one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from local import port_file
from local.layout import Layout
from local.ports import Ports
from local.status_record import StatusRecord

#: Packages that take long to import, and that not every command needs.
SLOW = {
    *(
        "asyncio",
        "boto3",
        "cryptography",
        "docker",
        "duckdb",
        "jinja2",
        "moto",
        "prometheus_client",
        "psutil",
        "psycopg",
    ),
    *("redis", "requests", "rich.progress", "sqlalchemy", "watchfiles", "zstandard"),
}
#: Prints a line for each argument, a command: the names of the modules that its own one loads. What
#: the first one loads is loaded for all.
SHOW = """
import os, sys

def show(command):
    import console.cli
    from console.command_table import COMMANDS
    from console.commands.command_group import Commands
    first, *rest = command.split()
    found = Commands(COMMANDS)[first]
    for name in rest:
        found = found.commands[name]
    print(*sys.modules, flush=True)

commands = sys.argv[1:]
show(commands[0])
for command in commands[1:]:
    if not os.fork():
        show(command)
        os._exit(0)
    os.wait()
"""
#: Prints a line for each argument, a command: the names of the modules that its help loads.
HELP = """
import contextlib, io, os, sys
from console.cli import main

for command in sys.argv[1:]:
    if not os.fork():
        sys.argv = ["strongroom", *command.split(), "--help"]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                main()
        except SystemExit as ended:
            print(*sys.modules if not ended.code else [], flush=True)
        os._exit(0)
    os.wait()
"""
#: Prints a line for each argument, a command: the names of the modules that its run loads.
RUN = HELP.replace(', "--help"]', "]").replace(
    "if not ended.code else []", "if ended.code in (0, 2) else []"
)
#: Command → the slow packages that it loads.
COMMANDS: dict[str, set[str]] = {
    "check": set(),
    "plan": {"jinja2"},
    "apply": {"jinja2"},
    "init": set(),
    "schema": set(),
    "new service": set(),
    "put": set(),
    "run": set(),
    "get": set(),
    "unwrap": set(),
    "issue-secret-id": set(),
    "bootstrap": {"jinja2"},
    "doctor": set(),
    "import-env": {"jinja2"},
    "export-env": set(),
    "ci-env": set(),
    "aws cost": set(),
    "aws copy-secrets": set(),
    "console": set(),
    "environments diff": set(),
    "rollout watch": set(),
    "up": set(),
    "status": set(),
    "down": set(),
    "policies test": {"jinja2"},
    "units": {"cryptography", "jinja2"},
    "file encrypt": {"cryptography"},
    "ledger": {"cryptography"},
    "rotate": {"cryptography"},
    "audit report": {"cryptography"},
    "audit ingest": {"cryptography"},
    "logs read": {"cryptography"},
    "monitoring up": {"psutil"},
}


def load(code: str, commands: Collection[str] = COMMANDS) -> dict[str, set[str]]:
    """Return the modules that *code* loads with each command."""
    process = [sys.executable, "-c", code, *commands]
    done = subprocess.run(process, capture_output=True, text=True, check=True, timeout=120)
    lines = done.stdout.splitlines()
    return {each: {*line.split()} for each, line in zip(commands, lines, strict=True)}


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Return the modules that each command loads, beside those of the first."""
    return load(SHOW)


def test_help_of_no_command_loads_what_only_its_work_needs() -> None:
    unneeded = {*SLOW, "pydantic", "ruamel", "vault.declare.declaration"}
    found = {command: unneeded & modules for command, modules in load(HELP).items()}
    assert not any(found.values()), found


def test_status_and_down_of_what_was_started_load_no_declaration(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    layout.runtime.write_text("embedded")
    port_file.write(layout, Ports())
    StatusRecord(configs={"shop": "app.yaml"}).write(layout)
    commands = [f"{each} --root {layout.root}" for each in ("status", "down")]
    loaded = load(RUN, commands).values()
    assert [each & {"console.cli", "local.runtimes.embedded_runtime"} for each in loaded] == (
        [{"console.cli", "local.runtimes.embedded_runtime"}] * 2
    )
    unneeded = {*SLOW, "pydantic", "ruamel", "vault.declare.declaration"} - {"psutil"}
    assert [each & unneeded for each in loaded] == [set(), set()]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_loads_only_the_slow_packages_that_it_needs(
    loaded: dict[str, set[str]], command: str
) -> None:
    assert "console.cli" in loaded[command]
    assert SLOW & loaded[command] == COMMANDS[command]
