"""Listener in place of a server: each command names it, and sends it not a single byte.

The agents run meanwhile, and send it nothing either. A running application is not among them: it
knows an address only.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from agent.supervisor.unit_state import read_state
from app_integration.names import Environment, Scope
from app_integration.testing.ports import free_ports
from local.processes.processes import ProcessManager
from tests.support.polling import wait_until
from tests.support.processes.shell import Shell
from tests.support.servers.recording_listener import RecordingListener, listen
from vault.declare import load

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

SCOPED = ("--service", "gaara-store", "--env", "dev")
#: Exit code of each command, with its arguments.
COMMANDS = {
    ("plan", "--env", "dev"): 1,
    ("apply", "--env", "dev"): 1,
    ("put", "jwt-secret", *SCOPED): 1,
    ("import-env", "{folder}/old.env", *SCOPED): 1,
    ("import-env", "{folder}/old.env", *SCOPED, "--finish"): 1,
    ("export-env", *SCOPED, "--reason", "test", "--out", "{folder}/new.env"): 1,
    ("adopt", "database-url", *SCOPED, "--yes"): 1,
    ("adopt", "database-url", *SCOPED, "--undo"): 1,
    ("rotate-password", "database-url", *SCOPED): 1,
    ("store",): 1,
    ("up",): 1,
    ("status",): 2,
}
#: Commands that log in to the database of the deployment, too.
DATABASE = [
    ("adopt", "database-url", *SCOPED, "--yes"),
    ("adopt", "database-url", *SCOPED, "--undo"),
    ("rotate-password", "database-url", *SCOPED),
    ("store",),
    ("up",),
]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Return a shell with ``dev.env`` whose deployment was started, with its own declaration."""
    folder = tmp_path_factory.mktemp("listener")
    for part in ("services", "environments"):
        shutil.copytree(load.ROOT / part, folder / "declare" / part)
    variables = {"STRONGROOM_DECLARATION": str(folder / "declare")}
    first = Shell(folder / ".strongroom", variables)
    up = first("up")
    assert up.returncode == 0, up.stderr
    other = first.another(dev_env=True)
    other.ports = first.ports
    other.variables.update(variables)
    (folder / "old.env").write_text("JWT_SECRET=0123456789abcdef0123456789abcdef\n")
    (folder / "old.env.imported").write_text("JWT_SECRET=0123456789abcdef0123456789abcdef\n")
    yield other
    first("reset", "--yes")


def kill(shell: Shell, name: str) -> None:
    """Kill the server *name*, if it is running, and wait for its end."""
    if running := ProcessManager(shell.layout).find(name):
        process = psutil.Process(running.pid)
        process.kill()
        process.wait(10)


@pytest.fixture(
    scope="module", params=["killed", pytest.param("stopped", marks=pytest.mark.nightly)]
)
def without_vault(request: pytest.FixtureRequest, shell: Shell) -> Shell:
    """Return that shell while the secrets server is not running."""
    assert shell("up").returncode == 0
    if request.param == "stopped":
        assert shell("down").returncode == 0
    else:
        kill(shell, "vault")
    return shell


# One parameter each, so that pytest runs the tests of a fixture one after the other: the `up` of
# another one would start the server that this one has killed.
@pytest.fixture(scope="module", params=["database"])
def without_database(shell: Shell) -> Shell:
    """Return that shell while the database is not running; a refused command does not start it."""
    return stop(shell, "database")


@pytest.fixture(scope="module", params=["redis"])
def without_redis(shell: Shell) -> Shell:
    """Return that shell while Redis is not running."""
    return stop(shell, "redis")


def stop(shell: Shell, name: str) -> Shell:
    """Kill the server *name* of a deployment that runs otherwise."""
    assert shell("up").returncode == 0
    kill(shell, name)
    return shell


def check_gets_no_byte(shell: Shell, command: tuple[str, ...], name: str) -> None:
    """Check that *command* names a listener in place of the server, and sends it nothing."""
    listener, done = run(shell, command, name)
    assert (listener.connections, listener.received) == (0, b"")
    assert done.returncode == 1, done.stdout + done.stderr
    assert names_the_listener(done, shell.ports.by_name()[name]), done.stderr


def run(
    shell: Shell, command: tuple[str, ...], name: str
) -> tuple[RecordingListener, subprocess.CompletedProcess[str]]:
    """Run *command* with a listener on the port of the server *name*, and return both."""
    folder = shell.layout.root.parent
    words = [word.format(folder=folder) for word in command]
    with listen(shell.ports.by_name()[name]) as listener:
        done = shell(*words, typed="a-new-value-of-at-least-32-characters")
    return listener, done


def names_the_listener(done: subprocess.CompletedProcess[str], port: int) -> bool:
    """Return whether the error of *done* names the port, this process, and what to do."""
    process = f"process {os.getpid()} ({psutil.Process().name()})"
    words = (f"port {port}", process, "stop")
    return all(word in done.stderr for word in words) and "Traceback" not in done.stderr


def test_listener_records_what_it_receives() -> None:
    """Show that a listener without a byte received none, and not that it cannot record any."""
    (port,) = free_ports(1)
    with listen(port) as listener:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"a login")
        wait_until(lambda: listener.received, "the bytes", 10)
    assert (listener.connections, listener.received) == (1, b"a login")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_listener_in_place_of_the_secrets_server_gets_no_byte(
    without_vault: Shell, command: tuple[str, ...]
) -> None:
    listener, done = run(without_vault, command, "vault")
    assert (listener.connections, listener.received) == (0, b"")
    assert done.returncode == COMMANDS[command], done.stdout + done.stderr
    # `status` reports each server instead of an error.
    assert done.returncode == 2 or names_the_listener(done, without_vault.ports.vault)


def test_agent_that_logs_in_again_sends_a_listener_no_byte(shell: Shell) -> None:
    assert shell("up").returncode == 0
    folder = shell.layout.agent(Scope("gaara-store", Environment.DEV))
    # Before the server ends, because the agent may end with it.
    pid = wait_until(lambda: running_agent(folder), "a running agent", 60)
    kill(shell, "vault")
    with listen(shell.ports.vault) as listener:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
        wait_until(lambda: failed_start(folder) is not None, "the agent's next login", 60)
        assert (listener.connections, listener.received) == (0, b"")
    assert "api.sock" in (failed_start(folder) or "")
    assert shell("up").returncode == 0


def running_agent(folder: Path) -> int | None:
    """Return the process id of the agent of *folder*, None if it does not run."""
    state = read_state(folder)
    return state.pid if state else None


def failed_start(folder: Path) -> str | None:
    """Return why the agent of *folder* could not be started the last time; None if it was."""
    state = read_state(folder)
    reason = state.reason if state else None
    return reason if reason and "the start failed" in reason else None


@pytest.mark.parametrize("command", DATABASE, ids=" ".join)
def test_listener_in_place_of_the_database_gets_no_byte(
    without_database: Shell, command: tuple[str, ...]
) -> None:
    check_gets_no_byte(without_database, command, "database")


@pytest.mark.parametrize("command", [("store",), ("up",)], ids=" ".join)
def test_listener_in_place_of_redis_gets_no_byte(
    without_redis: Shell, command: tuple[str, ...]
) -> None:
    check_gets_no_byte(without_redis, command, "redis")


def test_command_without_any_listener_says_what_to_start(without_vault: Shell) -> None:
    done = without_vault("plan", "--env", "dev")
    assert done.returncode == 1
    assert f"port {without_vault.ports.vault}: nothing listens there" in done.stderr
    assert "start it with strongroom up" in done.stderr


def test_down_with_a_listener_in_place_of_the_server_sends_no_byte(shell: Shell) -> None:
    kill(shell, "vault")
    listener, done = run(shell, ("down",), "vault")
    assert (listener.connections, listener.received) == (0, b"")
    assert done.returncode == 0, done.stdout + done.stderr


def test_up_works_again_without_the_listener(shell: Shell, tmp_path: Path) -> None:
    assert shell("up").returncode == 0
    done = shell("export-env", *SCOPED, "--reason", "test", "--out", str(tmp_path / "new.env"))
    assert done.returncode == 0, done.stderr
