"""The first line of the project's declaration files, by which an editor finds their JSON Schema."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from app_integration.names import Environment
from console.scaffold.new_repository import NewRepository
from console.scaffold.new_service import NewService
from vault.declare import load, repository
from vault.declare.edit import environment_file, service_file
from vault.declare.file_kind import Kind
from vault.declare.schema import json_schema

FILES: Final = sorted([*load.ROOT.glob("*s/*.yaml"), *load.PROJECT.glob("policies/*.yaml")])
PREFIX: Final = "# yaml-language-server: $schema="
VAULT: Final = {Environment("prod"): "https://vault.example.com:8200"}


def first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0]


def schema_of(path: Path) -> Path:
    """Return the file that the first line of *path* names."""
    assert first_line(path).startswith(PREFIX)
    return (path.parent / first_line(path).removeprefix(PREFIX)).resolve()


def kind_of(path: Path) -> Kind:
    folder = path.parent.name
    return Kind.POLICY_TESTS if folder == "policies" else Kind(folder.removesuffix("s"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_first_line_leads_to_the_schema_of_the_kind_of_file(path: Path) -> None:
    assert schema_of(path) == load.ROOT / "schema" / f"{kind_of(path)}.schema.json"


def test_new_repository_has_the_schemas_that_its_files_name(tmp_path: Path) -> None:
    NewRepository("parcels", "ada", VAULT).write(tmp_path)
    NewService("labels", "ada", "Prints.").write(repository.read(tmp_path))
    files = sorted(tmp_path.glob("*s/*.yaml"))
    assert [path.stem for path in files] == ["dev", "prod", "labels.tests", "labels"]
    for path in files:
        assert schema_of(path).read_text(encoding="utf-8") == json_schema.render(kind_of(path))


def test_new_service_names_no_schema_where_there_is_none(tmp_path: Path) -> None:
    NewRepository("parcels", "ada").write(tmp_path)
    shutil.rmtree(tmp_path / "schema")
    NewService("labels", "ada", "Prints.").write(repository.read(tmp_path))
    assert first_line(tmp_path / "services/labels.yaml").startswith("# Needs of labels")
    assert first_line(tmp_path / "policies/labels.tests.yaml").startswith("# What the policy of")


def test_editors_of_the_files_keep_the_first_line(tmp_path: Path) -> None:
    for folder in ("services", "environments"):
        shutil.copytree(load.ROOT / folder, tmp_path / folder)
    service, environment = (
        tmp_path / "services/gaara-store.yaml",
        tmp_path / "environments/dev.yaml",
    )
    before = {path: first_line(path) for path in (service, environment)}
    sizes = {path: path.stat().st_size for path in before}

    service_file.add(service, "secrets", {"token": {"source": "given"}}, load.check)
    service_file.add(
        service, "settings", {"colour": {"type": "text", "default": "red"}}, load.check
    )
    assert environment_file.add(environment, "gaara-store", "token", "shop_app", load.check)
    assert all(path.stat().st_size > sizes[path] for path in before)
    assert {path: first_line(path) for path in before} == before
    assert environment_file.remove(environment, "gaara-store", "token", load.check)
    assert first_line(environment) == before[environment]
