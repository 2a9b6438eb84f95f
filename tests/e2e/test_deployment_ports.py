"""Ports of a deployment: stored at its start, used by every later command, moved while stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app_integration.client import Client
from app_integration.settings import from_environment
from app_integration.testing.ports import free_ports
from local import port_file
from local.ports import Ports, setting
from local.processes.processes import ProcessManager
from local.taken_ports import check_free
from tests.support.processes.shell import Shell

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

SERVICE = "gaara-store"
SCOPED = ("--service", SERVICE, "--env", "dev")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Return a shell that has started its deployment."""
    shell = Shell(tmp_path_factory.mktemp("first") / ".strongroom")
    up = shell("up")
    assert up.returncode == 0, up.stderr
    yield shell
    shell("reset", "--yes")


@pytest.fixture
def started(shell: Shell) -> Shell:
    """Return that shell, with its deployment running, whatever an earlier test did."""
    processes = ProcessManager(shell.layout)
    if not all(map(processes.find, ("vault", "database", "redis", "smtp", "agent"))):
        assert shell("up").returncode == 0
    return shell


def client_variables(shell: Shell) -> dict[str, str]:
    return shell.another(dev_env=True).variables


def test_start_stores_the_ports_in_a_private_file(started: Shell) -> None:
    assert port_file.read(started.layout) == started.ports
    assert started.layout.ports.stat().st_mode & 0o777 == 0o600
    assert started.layout.format.read_text() == "1\n"


@pytest.mark.parametrize("dev_env", [False, True])
@pytest.mark.parametrize(
    ("command", "typed", "words"),
    [
        (("plan", "--env", "dev"), "", "0 to create, 0 to change"),
        (("apply", "--env", "dev"), "", "0 to create, 0 to change"),
        (("status",), "", "running"),
        (("put", "jwt-secret", *SCOPED), "x" * 48, "jwt-secret: version"),
        (("up",), "", "nothing was changed"),
    ],
)
def test_command_of_another_shell_uses_the_stored_ports(
    started: Shell, dev_env: bool, command: tuple[str, ...], typed: str, words: str
) -> None:
    done = started.another(dev_env=dev_env)(*command, typed=typed)
    assert (done.returncode, done.stderr) == (0, "")
    assert words in done.stdout


def test_status_of_another_shell_shows_the_stored_ports(started: Shell) -> None:
    shown = started.another()("status").stdout
    for name in ("vault", "database", "redis", "smtp"):
        assert str(started.ports.by_name()[name]) in shown


@pytest.mark.parametrize("dev_env", [False, True])
def test_env_file_of_another_shell_is_exported_from_the_stored_ports(
    started: Shell, tmp_path: Path, dev_env: bool
) -> None:
    file = tmp_path / "exported"
    command = ("export-env", *SCOPED, "--reason", "test", "--out", str(file))
    done = started.another(dev_env=dev_env)(*command)
    assert done.returncode == 0, done.stderr
    assert f":{started.ports.database}/gaara_store" in file.read_text()


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "--env", "dev"),
        ("apply", "--env", "dev"),
        ("status",),
        ("store",),
        ("up",),
        ("put", "jwt-secret", *SCOPED),
        ("export-env", *SCOPED, "--reason", "test", "--out", "never-written"),
        ("import-env", "never-read", *SCOPED, "--finish"),
        ("rotate-password", "database-url", *SCOPED),
    ],
)
def test_variable_with_another_port_than_the_running_one_is_an_error(
    started: Shell, command: tuple[str, ...]
) -> None:
    other = started.another()
    other.variables = {"STRONGROOM_VAULT_PORT": str(free_ports(1)[0])}
    done = other(*command, typed="value")
    assert done.returncode == 1
    assert f"STRONGROOM_VAULT_PORT is {other.variables['STRONGROOM_VAULT_PORT']}" in done.stderr
    assert f"is running on port {started.ports.vault}" in done.stderr
    assert "strongroom down" in done.stderr
    assert port_file.read(started.layout) == started.ports


def test_vault_addr_of_another_server_is_not_the_local_deployment(started: Shell) -> None:
    other = started.another()
    other.variables = {"VAULT_ADDR": "http://127.0.0.1:9"}
    done = other("plan", "--env", "dev")
    assert done.returncode == 1
    assert "STRONGROOM_OPERATOR_ROLE_ID_FILE" in done.stderr
    assert f"http://127.0.0.1:{started.ports.vault}" in done.stderr


def test_two_deployments_in_two_shells_live_side_by_side(started: Shell, tmp_path: Path) -> None:
    second = Shell(tmp_path / ".strongroom")
    try:
        up = second("up")
        assert up.returncode == 0, up.stderr
        for shell in (started, second):
            for each in (shell, shell.another(), shell.another(dev_env=True)):
                planned = each("plan", "--env", "dev")
                assert (planned.returncode, planned.stderr) == (0, "")
                assert each("status").returncode == 0
        assert client_variables(started)["VAULT_ADDR"] != client_variables(second)["VAULT_ADDR"]
    finally:
        assert second("reset", "--yes").returncode == 0
    assert started.another()("status").returncode == 0


def test_ports_stay_over_down_and_up(started: Shell) -> None:
    other = started.another()
    assert other("down").returncode == 0
    check_free(started.ports)
    assert other("up").returncode == 0
    assert port_file.read(started.layout) == started.ports
    assert other("plan", "--env", "dev").returncode == 0


def test_up_while_stopped_moves_everything_with_an_address(started: Shell) -> None:
    old, new = started.ports, Ports(*free_ports(6))
    variables = {setting(name): str(port) for name, port in new.by_name().items()}
    mover = started.another()
    mover.variables = variables
    assert mover("down").returncode == 0, "down reads no port"
    moved = mover("up")
    assert moved.returncode == 0, moved.stderr
    started.ports = new
    assert port_file.read(started.layout) == new
    check_free(old)
    planned = started.another()("plan", "--env", "dev")
    assert (planned.returncode, planned.stderr) == (0, "")
    with closing(Client(from_environment(client_variables(started)))) as client:
        urls = [client.secrets.get(name).reveal() for name in ("database-url", "redis-url")]
        with client.databases.engine(None, None).connect() as connection:
            assert connection.dialect.name == "postgresql"
    assert f":{new.database}/" in urls[0]
    assert f":{new.redis}/" in urls[1]
    written = [
        started.layout.dev_env,
        started.layout.config(SERVICE),
        *(path for path in started.layout.agents.rglob("*") if path.is_file()),
    ]
    # As an address has it: a process id or a digest may contain the same digits.
    moved_from = re.compile(rf"[:=]({'|'.join(str(port) for port in old.by_name().values())})\b")
    for path in written:
        assert not moved_from.search(path.read_text()), path
    assert "nothing was changed" in started.another()("up").stdout


def test_up_after_a_kill_between_ports_and_servers_starts_on_the_new_ports(
    started: Shell,
) -> None:
    """Stop, store other ports, and start without a variable, as after a kill -9 in between."""
    assert started("down").returncode == 0
    new = Ports(*free_ports(6))
    port_file.write(started.layout, new)
    up = started.another()("up")
    started.ports = new
    assert up.returncode == 0, up.stderr
    assert started.another()("plan", "--env", "dev").returncode == 0
    assert f"http://127.0.0.1:{new.vault}" in started.layout.dev_env.read_text()


def test_up_moves_only_the_server_that_does_not_run(started: Shell) -> None:
    running = ProcessManager(started.layout).find("redis")
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    new = replace(started.ports, redis=free_ports(1)[0])
    mover = started.another()
    mover.variables = {"STRONGROOM_REDIS_PORT": str(new.redis)}
    up = mover("up")
    started.ports = new
    assert up.returncode == 0, up.stderr
    assert port_file.read(started.layout) == new
    assert started.another()("status").returncode == 0


def test_failed_move_to_a_taken_port_keeps_the_stored_ports(started: Shell) -> None:
    assert started("down").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        mover = started.another()
        mover.variables = {"STRONGROOM_SMTP_PORT": str(port)}
        failed = mover("up")
    assert failed.returncode == 1
    assert f"port {port} is taken by process {os.getpid()}" in failed.stderr
    assert port_file.read(started.layout) == started.ports
    assert started.another()("up").returncode == 0
