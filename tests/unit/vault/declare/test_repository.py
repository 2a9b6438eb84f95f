"""Repository of a deployment: where it is found, and what its file may contain."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from tests.unit.vault.conftest import BASE
from vault.declare import repository, repository_root
from vault.declare.errors import DeclarationError
from vault.declare.repository import open_repository, read

ROOT = Path(__file__).parents[4]


@pytest.fixture
def root(root: Path) -> Path:
    """Return a repository with a service and the environments dev and prod."""
    (root / "strongroom.yaml").write_text("format: 1\n")
    return root


def test_repository_is_found_from_any_folder_inside(root: Path) -> None:
    inside = root / "templates" / "shop"
    assert open_repository(inside) == open_repository(root) == read(root)


def test_folder_outside_of_a_repository_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_repository(tmp_path)
    assert str(raised.value) == (
        f"there is no strongroom.yaml in {tmp_path} or in a folder above it; change to your "
        "deployment's repository, or make one with: strongroom init FOLDER"
    )


def test_declaration_is_that_beside_the_file(root: Path) -> None:
    declared = read(root).load()
    assert sorted(declared.services) == ["shop"]
    assert declared.template_root == root / "templates"


def test_folders_may_have_other_places(root: Path) -> None:
    (root / "strongroom.yaml").write_text("format: 1\ndeclaration: ops\ntemplates: ops/agent\n")
    (root / "ops").mkdir()
    for name, place in (("services", "ops"), ("environments", "ops"), ("templates", "ops/agent")):
        (root / name).rename(root / place / ("" if name == "templates" else name))
    declared = read(root).load()
    assert sorted(declared.services) == ["shop"]
    assert declared.template_root == root / "ops" / "agent"


def test_environment_has_the_id_of_the_repository_unless_it_declares_one(root: Path) -> None:
    (root / "strongroom.yaml").write_text("format: 1\ndeployment: parcels\n")
    dev = root / "environments" / "dev.yaml"
    dev.write_text(dev.read_text().replace("[developer]", "[parcels-developer]"))
    file = root / "environments" / "prod.yaml"
    file.write_text(f"deployment: parcels-eu\n{file.read_text()}")
    declared = read(root).load()
    assert declared.environment("dev").deployment == "parcels"
    assert declared.environment("prod").deployment == "parcels-eu"


def test_another_declaration_needs_no_repository(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(BASE, other, ignore=shutil.ignore_patterns("templates"))
    inside = open_repository(root, other)
    assert (inside.declaration, inside.templates) == (other, root / "templates")
    outside = open_repository(tmp_path, other)
    assert (outside.declaration, outside.deployment) == (other, "strongroom")
    assert (inside.policies, outside.policies) == (root / "policies", other / "policies")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "deployment: parcels",
            "1: the file lacks the key 'format' (expected 1, the format of the repository)",
        ),
        ("format: 0", "1: format is 0 (expected 1)"),
        (
            "format: 2\nnew-key: true",
            "1: format is 2 (expected 1 at most; install a newer strongroom)",
        ),
        (
            'format: 1\nrequires: ">=7,<8"',
            (
                "2: requires is '<8,>=7' (expected one that 0.1.0 fulfils; correct "
                "it, or install strongroom<8,>=7)"
            ),
        ),
        (
            "format: 1\nrequires: newest",
            "2: requires is 'newest' (expected a version such as '>=0.1')",
        ),
        (
            "format: 1\ndeclaration: ../ours",
            "2: declaration is '../ours' (expected a path inside the repository)",
        ),
        (
            "format: 1\ntemplates: /srv",
            "2: templates is '/srv' (expected a path inside the repository)",
        ),
    ],
)
def test_fault_is_reported_with_its_line(root: Path, text: str, error: str) -> None:
    (root / "strongroom.yaml").write_text(text)
    with pytest.raises(DeclarationError) as raised:
        read(root, "0.1.0")
    assert str(raised.value) == f"{root}/strongroom.yaml:{error}"


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as raised:
        read(tmp_path)
    reason = "the file cannot be read: No such file or directory"
    assert str(raised.value) == f"{tmp_path / 'strongroom.yaml'}: {reason}"


@pytest.mark.parametrize("requires", ["", ">=0.1", "==0.1.*", "<1"])
def test_required_version_that_runs_is_accepted(root: Path, requires: str) -> None:
    (root / "strongroom.yaml").write_text(f'format: 1\nrequires: "{requires}"\n')
    assert read(root, "0.1.3").root == root


def test_this_repository_is_one() -> None:
    found = repository.read(ROOT)
    assert sorted(found.load().services) == ["gaara-store", "orders-mail"]


@pytest.mark.requires("root")
@pytest.mark.parametrize("planted", ["strongroom.yaml", "."])
def test_repository_of_another_user_is_refused(root: Path, planted: str) -> None:
    os.chown(root / planted, 65534, -1)
    with pytest.raises(ConfigurationError, match=r"belongs to another user, who would decide"):
        open_repository(root / "templates")
    assert repository_root.find_own_root(root) is None
    # A declaration that is named is used, and the file is not read.
    (root / "strongroom.yaml").write_text("format: 2\n")
    assert open_repository(root, root).deployment == "strongroom"


def test_folder_is_searched_by_its_real_path(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    assert repository_root.find_root(root / ".." / "outside") is None
    (tmp_path / "link").symlink_to(root / "templates")
    assert repository_root.find_root(tmp_path / "link") == root
