"""A command loads the packages that its usual work needs, and no other slow one."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
    ),
    *("psutil", "psycopg", "redis", "rich.progress", "sqlalchemy", "watchfiles", "zstandard"),
}
#: Prints a line for each argument, a command: the names of the modules that it loads. What the
#: first one loads is loaded for all.
SHOW = """
import contextlib, io, os, sys

def show(command):
    from console.cli import main
    sys.argv = ["strongroom", *command.split(), "--help"]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            main()
    except SystemExit as ended:
        print(*sys.modules if not ended.code else [], flush=True)

commands = sys.argv[1:]
show(commands[0])
for command in commands[1:]:
    if not os.fork():
        show(command)
        os._exit(0)
    os.wait()
"""
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
    "cost": set(),
    "copy-secrets": set(),
    "console": set(),
    "environments diff": set(),
    "rollout watch": set(),
    "up": set(),
    "status": set(),
    "down": set(),
    "policies test": {"jinja2"},
    "units": {"cryptography", "jinja2"},
    "encrypt-file": {"cryptography"},
    "ledger": {"cryptography"},
    "rotate": {"cryptography"},
    "audit report": {"cryptography"},
    "audit ingest": {"cryptography"},
    "logs read": {"cryptography"},
    "monitoring up": {"psutil"},
}


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Return the modules that each command loads, beside those of the first."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *COMMANDS],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    return {command: set(line.split()) for command, line in zip(COMMANDS, lines, strict=True)}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_loads_only_the_slow_packages_that_it_needs(
    loaded: dict[str, set[str]], command: str
) -> None:
    assert "console.cli" in loaded[command]
    assert SLOW & loaded[command] == COMMANDS[command]
