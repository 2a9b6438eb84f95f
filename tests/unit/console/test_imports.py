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
SHOW = """
import sys
sys.argv = ["strongroom", *{arguments}, "--help"]
from console.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
print(*sys.modules, file=sys.stderr)
"""
#: Command → the slow packages that it loads.
COMMANDS: dict[str, set[str]] = {
    "plan": {"jinja2"},
    "apply": {"jinja2"},
    "check": set(),
    "init": set(),
    "schema": set(),
    "new service": set(),
    "put": set(),
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


@pytest.mark.parametrize("command", COMMANDS)
def test_command_loads_only_the_slow_packages_that_it_needs(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW.format(arguments=command.split())],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert SLOW.intersection(done.stderr.split()) == COMMANDS[command]
