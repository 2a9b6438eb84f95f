"""A team's own repository in containers: from ``init`` to ``down``, with a service of its own."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from app_integration.client import Client
from app_integration.secret import Secret
from app_integration.settings import from_environment
from console.compose_init import REPOSITORY
from console.scaffold.new_repository import NewRepository
from local.docker import tool_image
from local.docker.compose_file import project_name
from local.docker.compose_project import ComposeProject
from local.docker.engine import open_engine
from tests.support.processes.command import run_command
from tests.support.processes.shell import Shell
from tests.support.servers.deployment import require_images

pytestmark = [pytest.mark.requires("docker"), pytest.mark.timeout(600)]

KEPT = ("DOCKER_", "STRONGROOM_SITE")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Return a shell in a new repository that only its owner can read."""
    require_images()
    repository = tmp_path / "parcels"
    NewRepository("test-parcels", "ada@example.com").write(repository)
    repository.chmod(0o700)
    (repository / ".env").write_text("SECRET=not-for-the-image\n")
    kept = {name: text for name, text in os.environ.items() if name.startswith(KEPT)}
    variables = {**kept, "STRONGROOM_RUNTIME": "docker"}
    shell = Shell(repository / ".strongroom", variables, project=repository)
    yield shell
    shell("reset", "--yes")


def test_service_of_a_team_from_a_new_repository_until_down(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = shell.layout.root.parent
    monkeypatch.chdir(repository)
    config = ("--config", str(repository.parent / "code"))
    declare(monkeypatch, "tracking", *config)
    tool_image.build(tool_image.NAME)
    plain = compose(shell, "up", "--wait", "--build")
    assert plain.returncode == 0, plain.stderr
    started = {name: each["State"]["StartedAt"] for name, each in inspect(shell).items()}

    # A change of the declaration must not restart the server, because it would lose its data.
    declare(monkeypatch, "billing")
    up = shell("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "config of tracking: only its format is checked" in up.stdout
    found = inspect(shell)
    same = {name for name in found if found[name]["State"]["StartedAt"] == started[name]}
    assert same == {"network", "vault", "database", "redis", "smtp"}
    values = {read_secret(shell, "tracking"), read_secret(shell, "billing")}
    assert len(values) == 2
    assert read_yaml(shell.layout.config("tracking", "app.yaml"))["signing_key"] in values

    for name, container in found.items():
        host = container["HostConfig"]
        confined = (container["Config"]["User"], host["ReadonlyRootfs"], host["CapDrop"])
        assert confined == ("10001:10001", True, ["ALL"]), name
        assert {mount["Type"] for mount in container["Mounts"]} <= {"volume"}, name
    assert files_in_image(shell) == {
        "strongroom.yaml",
        "environments/dev.yaml",
        "policies/.gitkeep",
        "policies/billing.tests.yaml",
        "policies/tracking.tests.yaml",
        "services/.gitkeep",
        "services/billing.yaml",
        "services/tracking.yaml",
        "templates/.gitkeep",
        "templates/tracking/app.yaml.j2",
    }

    down = shell("down")
    assert down.returncode == 0, down.stderr
    assert inspect(shell) == {}


def declare(monkeypatch: pytest.MonkeyPatch, service: str, *options: str) -> None:
    """Declare a service with one generated secret in the repository of the working directory."""
    declared = ("--owner", "ada@example.com", "--description", "A service of a team.")
    command = ("new", "service", service, *declared, "--generate", "signing-key", *options)
    assert run_command(monkeypatch, *command) == 0


def read_secret(shell: Shell, service: str) -> str:
    """Return the secret of *service*, which reads it with the variables for a shell."""
    variables = dotenv_values(shell.layout.service_env(service))
    client = Client(from_environment({name: text or "" for name, text in variables.items()}))
    try:
        secret = client.secrets.get("signing-key")
        assert isinstance(secret, Secret)
        return secret.reveal()
    finally:
        client.close()


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def compose(shell: Shell, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run plain ``docker compose`` in the repository."""
    return subprocess.run(
        ["docker", "compose", *arguments],  # noqa: S607
        cwd=shell.layout.root.parent,
        env=shell._environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def files_in_image(shell: Shell) -> set[str]:
    """Return the paths of the repository's files in the image."""
    with open_engine() as engine:
        apply = project_of(shell).containers_by_service(engine)["apply"]
        chunks, _ = apply.get_archive(str(REPOSITORY))
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        return {each.name.partition("/")[2] for each in archive if each.isfile()}


def inspect(shell: Shell) -> dict[str, Any]:
    """Return the output of ``docker inspect`` by service."""
    with open_engine() as engine:
        found = project_of(shell).containers_by_service(engine)
        return {name: each.attrs for name, each in found.items()}


def project_of(shell: Shell) -> ComposeProject:
    folder = shell.layout.root.parent
    return ComposeProject(folder, project_name(shell.layout.root), shell.ports)
