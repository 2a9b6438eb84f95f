"""Tests of the check of an application's interpreter, each with a real virtual environment."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from agent.supervisor import interpreter
from agent.supervisor.interpreter import UnusableInterpreter, check_interpreter
from agent.supervisor.run_settings import RunSettings
from agent.supervisor.unit_file import UnitFile
from tests.support.processes.application import make_venv
from tests.support.processes.unit_files import write_unit

ROOT = Path(__file__).parents[4]

#: Where an error says that the path can be corrected.
FILE = (
    "services/gaara-store.yaml, or on this machine alone in strongroom.local.yaml: 'applications: "
    "{gaara-store: {path: FOLDER}}'"
)


def settings_for(folder: Path, python: Path, **changes: object) -> RunSettings:
    return UnitFile.read(write_unit(folder / "unit", python=str(python), **changes)).parse()


def check(settings: RunSettings) -> str:
    """Return the error of the check."""
    with pytest.raises(UnusableInterpreter) as caught:
        asyncio.run(check_interpreter(settings))
    return str(caught.value)


def test_interpreter_with_the_sdk_can_deliver(tmp_path: Path) -> None:
    asyncio.run(check_interpreter(settings_for(tmp_path, Path(sys.executable))))


def test_sdk_in_the_folder_is_found_as_in_the_image_of_the_containers(tmp_path: Path) -> None:
    python = make_venv(tmp_path / ".venv", Path(pytest.__file__).parents[1])
    assert "cannot import app_integration; " in check(settings_for(tmp_path, python))
    asyncio.run(check_interpreter(settings_for(tmp_path, python, working_directory=str(ROOT))))


def test_missing_interpreter_is_named(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    assert check(settings_for(tmp_path, python)) == (
        f"{python} cannot be used: No such file or directory; make the virtual environment and "
        f"install strongroom-sdk[config] there, or correct config.python in {FILE}"
    )


def test_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.touch()
    assert f"{python} cannot be used: Permission denied; " in check(settings_for(tmp_path, python))


def test_missing_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "src"
    settings = settings_for(tmp_path, Path(sys.executable), working_directory=str(folder))
    assert check(settings) == (
        f"{folder} cannot be used: No such file or directory; create the folder, "
        f"or correct config.path in {FILE}"
    )


def test_interpreter_without_the_sdk_is_named_with_the_package_to_install(tmp_path: Path) -> None:
    python = make_venv(tmp_path / ".venv")
    assert check(settings_for(tmp_path, python)) == (
        f"{python} cannot import app_integration; install strongroom-sdk[config] there, "
        f"or correct config.python in {FILE}"
    )


@pytest.mark.parametrize("missing", ["yaml", "pydantic"])
def test_missing_module_of_the_extra_is_named(tmp_path: Path, missing: str) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    found = Path(pytest.__file__).parents[1]
    for path in [ROOT / "app_integration", *found.iterdir()]:
        if path.name not in {missing, "__pycache__"} and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    python = make_venv(tmp_path / ".venv", packages)
    assert f"{python} cannot import {missing}; " in check(settings_for(tmp_path, python))


def test_environment_of_the_supervisor_does_not_provide_the_sdk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{Path(pytest.__file__).parents[1]}")
    python = make_venv(tmp_path / ".venv")
    assert "cannot import app_integration; " in check(settings_for(tmp_path, python))


@pytest.mark.parametrize(
    "script", ["echo hunter2", "echo app_integration; exit 3", "exit 3", "exec true"]
)
def test_program_that_is_no_python_cannot_import_the_sdk(tmp_path: Path, script: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o700)
    error = check(settings_for(tmp_path, python))
    assert f"{python} cannot import " in error


def test_interpreter_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "CHECK_TIMEOUT", 0.2)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho $$ > pid\nexec sleep 600\n")
    python.chmod(0o700)
    settings = settings_for(tmp_path, python)
    assert f"{python} did not import app_integration within 0.2 s; " in check(settings)
    pid = int((settings.working_directory / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()
