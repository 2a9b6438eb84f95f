"""Files for containers that ``strongroom init`` writes: one source, confined, without a mount."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.scaffold.new_repository import NewRepository, _render
from local.docker.compose_file import ComposeFile
from vault.declare import repository, repository_root

ROOT = Path(__file__).parents[3]


def compose_file_of_this_clone() -> str:
    """Return ``docker-compose.yml`` with the two examples, from the template of a team's."""
    return _render("docker-compose.yml.j2", {"name": "strongroom", "example": True})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    NewRepository("parcels", "ada@example.com").write(tmp_path)
    return tmp_path


@pytest.fixture
def compose(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "docker-compose.yml").read_text())
    return found


def test_compose_file_of_this_clone_is_rendered_from_the_template() -> None:
    assert (ROOT / "docker-compose.yml").read_text() == compose_file_of_this_clone()


def test_file_of_this_clone_builds_its_image_itself() -> None:
    found = ComposeFile.read(ROOT)
    assert (found.name, found.needs_tool) == ("strongroom", False)


def test_compose_file_of_a_team_has_nothing_of_the_examples(
    folder: Path, compose: dict[str, Any]
) -> None:
    text = (folder / "docker-compose.yml").read_text()
    assert not re.search("gaara|orders-mail|examples|STORE_PORT|[{]%", text)
    assert compose["name"] == "strongroom-parcels"
    clone = yaml.safe_load(compose_file_of_this_clone())["services"]
    assert clone.keys() - compose["services"].keys() == {"store", "worker"}


def test_services_of_a_team_equal_those_of_this_clone_except_images_and_volumes(
    compose: dict[str, Any],
) -> None:
    clone = yaml.safe_load(compose_file_of_this_clone())["services"]
    for name, service in compose["services"].items():
        differing = {key for key in service | clone[name] if service.get(key) != clone[name][key]}
        assert differing <= {"image", "build", "ports", "volumes", "environment"}, name


def test_each_container_of_a_team_is_confined_and_mounts_no_file_of_the_host(
    compose: dict[str, Any],
) -> None:
    for name, service in compose["services"].items():
        assert service["user"] == "10001:10001", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in compose["volumes"], name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_image_of_a_team_has_the_declaration_and_no_server_waits_for_it(
    folder: Path, compose: dict[str, Any]
) -> None:
    lines = (folder / "Dockerfile").read_text().splitlines()
    copied = [line.split()[2] for line in lines if line.startswith("COPY ")]
    found = repository.read(folder)
    own = found.declaration
    parts = (own / "services", own / "environments", found.templates, found.policies)
    assert copied[0] == repository_root.FILE
    assert {folder / name for name in copied[1:]} == {*parts}
    ignored = (folder / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == {*copied}
    images = {name: service["image"] for name, service in compose["services"].items()}
    # A service whose image changes starts again, and so do those that need it to be started.
    assert {name for name, image in images.items() if "parcels" in image} == {"apply", "agent"}
