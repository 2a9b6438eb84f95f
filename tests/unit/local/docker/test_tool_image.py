"""Build of the tool's image: what it is made of."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path

from console.commands.deploy.image import image
from console.scaffold.new_repository import _render
from local.docker import tool_image
from vault.declare.load import PROJECT


def test_context_has_what_the_dockerfile_copies_and_nothing_that_was_made(tmp_path: Path) -> None:
    tool_image.copy_files(tmp_path)
    build = tool_image.describe("x", "1.2", {})["services"]["tool"]["build"]
    stage, end = (tmp_path / build["dockerfile"]).read_text().split("FROM tool\n")
    assert f" AS {build['target']}\n" in stage
    assert "gaara" in end
    assert "gaara" not in stage
    for line in stage.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            assert (tmp_path / line.split()[-2]).exists(), line
    names = {path.name for path in tmp_path.rglob("*")}
    assert "requirements.txt" in names
    assert not [name for name in names if name == "__pycache__" or name.endswith(".egg-info")]


def test_command_builds_the_image_that_the_compose_file_names() -> None:
    template = _render("docker-compose.yml.j2", {"name": "x", "example": False})
    assert f"${{STRONGROOM_TOOL_IMAGE:-{tool_image.NAME}}}" in template
    assert inspect.signature(image).parameters["tag"].default == tool_image.NAME


def test_build_gets_the_version_and_the_image_with_the_dependencies() -> None:
    plain = tool_image.describe("tool:1", "1.2", {})["services"]["tool"]
    assert plain["image"] == "tool:1"
    assert plain["build"]["args"] == {"VERSION": "1.2"}
    offline = tool_image.describe("tool:1", "1.2", {"STRONGROOM_SITE": "site:1"})
    arguments = offline["services"]["tool"]["build"]["args"]
    assert arguments == {"VERSION": "1.2", "SITE": "site:1"}


def test_images_have_each_package_of_the_wheel() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    found = settings["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = {pattern.removesuffix("*") for pattern in found}
    assert {*tool_image._PACKAGES} == packages - {"examples"}
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert packages <= {line.removeprefix("!") for line in ignored}
    recipe = (PROJECT / "local/docker/Dockerfile").read_text()
    assert [name for name in packages if f" {name} /opt/strongroom/app/{name}" not in recipe] == []
