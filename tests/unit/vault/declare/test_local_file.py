"""The file of one machine: where its applications are."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from ruamel.yaml import YAML

from console.scaffold.new_repository import NewRepository, ignored_names
from console.scaffold.new_service import NewService
from vault.declare import repository
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.local_file import FILE, set_application, with_local_applications


@pytest.fixture
def declared(tmp_path: Path) -> Declaration:
    NewRepository("shop", "ada").write(tmp_path)
    here = repository.read(tmp_path)
    NewService("parcels", "ada", "Ships.", application="src").write(here)
    NewService("labels", "ada", "Prints.").write(here)
    return here.load()


def test_paths_of_the_machine_replace_those_of_the_declaration(declared: Declaration) -> None:
    config = declared.service("parcels").config
    assert config is not None
    assert config.folder(declared.project) == declared.project / "src"
    assert with_local_applications(declared) == declared
    set_application(declared.project, "labels", "../labels")
    set_application(declared.project, "gone", "../gone")
    file = set_application(declared.project, "parcels", "../my parcels")
    file.write_text(file.read_text().replace("../my parcels", "../my parcels\n    python: env/py"))
    set_application(declared.project, "parcels", "/srv/parcels")
    changed = with_local_applications(declared).service("parcels").config
    assert changed is not None
    assert str(changed.interpreter(declared.project)) == "/srv/parcels/env/py"
    assert changed.model == config.model
    assert with_local_applications(declared).service("labels").config is None


def test_comments_mode_and_other_lines_of_the_file_are_kept(declared: Declaration) -> None:
    file = declared.project / FILE
    line = "  gone: {path: '../gone', python: x/y}  # until May\n"
    file.write_text(f"# of mine\napplications:\n{line}")
    file.chmod(0o600)
    for path in ("../l", f"../{'long ' * 40}labels"):
        set_application(declared.project, "labels", path)
    assert file.read_text() == f"# of mine\napplications:\n{line}  labels:\n    path: {path}\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_write_that_fails_keeps_the_file(
    declared: Declaration, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = set_application(declared.project, "labels", "../labels")
    before = file.read_bytes()
    monkeypatch.setattr(YAML, "dump", Mock(side_effect=OSError("full disk")))
    with pytest.raises(OSError, match="full disk"):
        set_application(declared.project, "labels", "../other")
    assert file.read_bytes() == before


def test_git_ignores_the_file() -> None:
    assert FILE in ignored_names()


def test_faulty_file_is_refused_with_its_line(declared: Declaration) -> None:
    file = declared.project / FILE
    file.write_text("applications:\n  parcels: {path: ../x, pyhton: y}\n")
    with pytest.raises(DeclarationError, match=rf"{FILE}:2: applications\.parcels has the unknown"):
        with_local_applications(declared)
    with pytest.raises(DeclarationError):
        set_application(declared.project, "parcels", "../y")
