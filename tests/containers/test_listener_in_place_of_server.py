"""Ports of a deployment in containers: stored, and checked before a credential is sent."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import psutil
import pytest

from app_integration.testing.ports import free_ports
from local import port_file
from local.docker.compose_file import project_name
from local.docker.compose_project import ComposeProject
from local.docker.engine import open_engine
from local.listeners import find_listeners
from local.ports import HOST
from local.runtimes.container_runtime import ContainerRuntime
from tests.support.processes.shell import ROOT, Shell
from tests.support.servers.deployment import require_images
from tests.support.servers.recording_listener import listen

pytestmark = [pytest.mark.requires("docker"), pytest.mark.timeout(600)]

SCOPED = ("--service", "gaara-store", "--env", "dev")
COMMANDS = [
    ("plan", "--env", "dev"),
    ("apply", "--env", "dev"),
    ("put", "jwt-secret", *SCOPED),
    ("import-env", "{folder}/old.env", *SCOPED),
    ("export-env", *SCOPED, "--reason", "test", "--out", "{folder}/new.env"),
    ("adopt", "database-url", *SCOPED, "--yes"),
    ("rotate-password", "database-url", *SCOPED),
]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Return a shell that has started its deployment in containers."""
    require_images()
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("DOCKER_", "STRONGROOM_SITE")) or name.endswith("_IMAGE")
    }
    folder = tmp_path_factory.mktemp("listener")
    (folder / "old.env").write_text("JWT_SECRET=0123456789abcdef0123456789abcdef\n")
    shell = Shell(folder / ".strongroom", {**kept, "STRONGROOM_RUNTIME": "docker"})
    up = shell("up")
    assert up.returncode == 0, up.stderr
    yield shell
    shell("reset", "--yes")


def another(shell: Shell, *, dev_env: bool = False) -> Shell:
    """Return another shell, which sets no port, and knows the engine only."""
    other = shell.another(dev_env=dev_env)
    other.ports = shell.ports
    engine = {
        name: value for name, value in shell.variables.items() if name != "STRONGROOM_RUNTIME"
    }
    other.variables.update(engine)
    return other


@pytest.mark.parametrize("dev_env", [False, True])
@pytest.mark.parametrize("command", [("plan", "--env", "dev"), ("status",)])
def test_command_of_another_shell_uses_the_stored_ports(
    shell: Shell, command: tuple[str, ...], dev_env: bool
) -> None:
    assert port_file.read(shell.layout) == shell.ports
    done = another(shell, dev_env=dev_env)(*command)
    assert (done.returncode, done.stderr) == (0, "")


def test_variable_with_another_port_than_the_running_one_is_an_error(shell: Shell) -> None:
    other = another(shell)
    other.variables["STRONGROOM_DATABASE_PORT"] = str(free_ports(1)[0])
    for command in (("plan", "--env", "dev"), ("up",)):
        done = other(*command)
        assert done.returncode == 1
        assert f"is running on port {shell.ports.database}" in done.stderr


def test_listener_of_a_published_port_is_the_engine_proxy(shell: Shell) -> None:
    (listener,) = find_listeners(shell.ports.vault)
    assert listener.name == "docker-proxy"
    assert str(shell.ports.vault) in listener.command


def test_listener_in_place_of_the_containers_gets_no_byte(shell: Shell) -> None:
    """Stop the containers, so that the engine frees the ports, and listen there."""
    runtime = ContainerRuntime.running_ports(shell.layout)
    assert runtime["vault"] == shell.ports.vault
    with open_engine() as engine:
        project = ComposeProject(ROOT, project_name(shell.layout.root), shell.ports)
        project.containers_by_service(engine)["network"].stop(timeout=1)
    other, port = another(shell, dev_env=True), shell.ports.vault
    folder = shell.layout.root.parent
    with listen(port) as listener:
        for command in COMMANDS:
            done = other(*(word.format(folder=folder) for word in command), typed="x" * 32)
            assert (listener.connections, listener.received) == (0, b""), command
            assert done.returncode == 1, command
            assert f"port {port}: process {os.getpid()} ({psutil.Process().name()})" in done.stderr
    done = other("plan", "--env", "dev")
    assert f"port {port}: nothing listens there" in done.stderr


def test_down_and_up_keep_the_ports(shell: Shell) -> None:
    assert another(shell)("down").returncode == 0
    other = another(shell)
    other.variables["STRONGROOM_RUNTIME"] = "docker"
    up = other("up")
    assert up.returncode == 0, up.stderr
    assert port_file.read(shell.layout) == shell.ports
    with socket.create_connection((HOST, shell.ports.vault), 5):
        assert another(shell)("plan", "--env", "dev").returncode == 0
