"""The ``docker-compose.yml`` of a repository, and the name of its project."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from console.scaffold.new_repository import NewRepository
from local.docker.compose import find_titles
from local.docker.compose_file import ComposeFile, project_name


def test_file_of_a_team_needs_the_image_of_the_tool(tmp_path: Path) -> None:
    NewRepository("parcels", "ada").write(tmp_path)
    found = ComposeFile.read(tmp_path)
    assert (found.name, found.needs_tool) == ("strongroom-parcels", True)
    assert list(find_titles(found.services)) == ["vault", "database", "redis", "smtp", "agent"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "services:",
        "services: {web: {image: ours}}",
        "name: parcels\nservices: {vault: {}, database: {}}",
        "a: [",
        b"\xff\xfe\xff",
    ],
)
def test_file_that_starts_no_deployment_is_refused(tmp_path: Path, content: str | bytes) -> None:
    raw = content.encode() if isinstance(content, str) else content
    (tmp_path / "docker-compose.yml").write_bytes(raw)
    with pytest.raises(ConfigurationError, match=r"docker-compose\.yml starts no deployment; copy"):
        ComposeFile.read(tmp_path)


def test_missing_file_says_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"does not exist; copy .*RUNTIME=embedded"):
        ComposeFile.read(tmp_path)


def test_file_that_compose_would_read_instead_is_named(tmp_path: Path) -> None:
    NewRepository("parcels", "ada").write(tmp_path)
    (tmp_path / "compose.yaml").touch()
    with pytest.raises(ConfigurationError, match=r"compose\.yaml would be read instead"):
        ComposeFile.read(tmp_path)


def test_file_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    NewRepository("parcels", "ada").write(tmp_path)
    file = tmp_path / "docker-compose.yml"
    file.write_text(file.read_text().replace("local.servers", "vault.runtime.servers"))
    with pytest.raises(ConfigurationError, match=r"is one of an earlier version.*; copy"):
        ComposeFile.read(tmp_path)


def test_project_has_the_name_of_the_file_only_in_the_repository(tmp_path: Path) -> None:
    root = tmp_path / ".strongroom"
    hashed = project_name(root)
    assert hashed.startswith("strongroom-")
    # The containers of another project, which a team has for itself, must never be stopped.
    (tmp_path / "docker-compose.yml").write_text("name: shop\nservices: {web: {image: ours}}")
    assert project_name(root) == hashed
    (tmp_path / "docker-compose.yml").unlink()
    NewRepository("parcels", "ada").write(tmp_path)
    assert project_name(root) == "strongroom-parcels"
    assert project_name(tmp_path / "other") not in {"strongroom-parcels", hashed}


def test_service_that_a_team_has_added_has_its_name_as_title() -> None:
    titles = find_titles(["tracking", "apply", "network", "vault"])
    assert titles == {"vault": "OpenBao, dev mode (secrets)", "tracking": "tracking"}
