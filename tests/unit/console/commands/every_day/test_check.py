"""Command ``strongroom check``: every error of declaration and templates, without a server."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Final, NoReturn

import pytest

from console import cli
from console.commands.every_day.check import INVALID
from console.commands.every_day.declaration_check import check_repository
from tests.support.processes.command import run_command
from tests.support.processes.loaded_modules import loaded_by
from vault.declare.repository import read

ROOT: Final = Path(__file__).parents[5]
CORPUS: Final = ROOT / "tests" / "faults" / "declare"
BASE: Final = CORPUS / "base"
#: What talks to a server or to a container engine.
HEAVY: Final = {"sqlalchemy", "psycopg", "hvac", "requests", "docker", "redis", "rich", "typer"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def refuse(*_: object) -> NoReturn:
        pytest.fail("the check opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "strongroom.yaml").write_text("format: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_declaration_of_the_project_has_no_error() -> None:
    assert check_repository(read(ROOT)).errors == ()


def test_first_error_of_each_template_is_listed_once(root: Path) -> None:
    template = root / "templates" / "shop" / "app.yaml.j2"
    template.write_text('a: 1\nb: {{ secret("tokn") }}\n', encoding="utf-8")
    (error,) = check_repository(read(root)).errors
    assert error.startswith("templates/shop/app.yaml.j2:2: ")
    assert "did you mean 'token'?" in error
    assert " (in " not in error


def test_row_that_the_policy_to_be_applied_does_not_hold_is_an_error(root: Path) -> None:
    tests = root / "policies" / "shop.tests.yaml"
    tests.parent.mkdir(exist_ok=True)
    row = "{path: '{kv}/data/shop/{environment}/token', capability: read, expect: deny}"
    tests.write_text(f"tests:\n  - {row}\n", encoding="utf-8")
    (error, *_) = check_repository(read(root)).errors
    assert error.startswith("policies/shop.tests.yaml:2: read on secret/data/shop/dev/token in dev")
    assert error.endswith("expected deny, granted: read")


def test_error_in_one_environment_names_it(root: Path) -> None:
    service = root / "services" / "shop.yaml"
    text = service.read_text(encoding="utf-8")
    source = "{source: generated, length: 48, "
    assert source in text
    changed = text.replace(source, f"{source}environments: [dev], ")
    service.write_text(changed, encoding="utf-8")
    template = root / "templates" / "shop" / "app.yaml.j2"
    template.write_text('a: {{ secret("token") }}\n', encoding="utf-8")
    (error,) = check_repository(read(root)).errors
    assert error.startswith("templates/shop/app.yaml.j2:1: ")
    assert error.endswith(" (in prod)")


def test_errors_of_policy_tests_are_listed_before_those_of_templates(root: Path) -> None:
    template = root / "templates" / "shop" / "app.yaml.j2"
    template.write_text('a: {{ secret("tokn") }}\n', encoding="utf-8")
    (root / "policies").mkdir()
    (root / "policies" / "shop.tests.yaml").write_text("tests:\n  - {path: sys, expect: deny}\n")
    first, second = check_repository(read(root)).errors
    assert first.startswith("policies/shop.tests.yaml:2: tests[0] lacks the key 'capability'")
    assert second.startswith("templates/shop/app.yaml.j2:1: ")


def test_error_of_the_rules_of_anomalies_has_its_line(root: Path) -> None:
    (root / "anomalies.yaml").write_text("rules:\n  burst: {factor: 1}\n", encoding="utf-8")
    (error,) = check_repository(read(root)).errors
    assert error.startswith("anomalies.yaml:2: rules.burst.factor is 1 (expected a whole number")


def test_error_of_the_rules_of_rollouts_has_its_line(root: Path) -> None:
    text = "window: 1s\nservices:\n  shpo: {}\n"
    (root / "rollout.yaml").write_text(text, encoding="utf-8")
    first, second = check_repository(read(root)).errors
    assert first.startswith("rollout.yaml:1: window is 1s (expected a duration from 10s to 1h")
    assert second.startswith("rollout.yaml:3: services has the unknown service 'shpo'")


def test_command_exits_0_if_declaration_and_templates_hold(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "check", str(root)) == 0
    assert (
        capsys.readouterr().out == "No error in the declaration, its templates and its policies.\n"
    )


def test_command_exits_2_and_prints_every_error(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(CORPUS / "several-faults", root, dirs_exist_ok=True)
    monkeypatch.setenv("STRONGROOM_DECLARATION", str(root))
    assert run_command(monkeypatch, "check") == INVALID
    printed = capsys.readouterr()
    assert printed.out == (CORPUS / "several-faults" / "expect").read_text(encoding="utf-8")
    assert printed.err == ""


def test_command_exits_1_outside_of_a_repository(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "strongroom.yaml").unlink()
    assert run_command(monkeypatch, "check", str(root)) == 1
    assert "there is no strongroom.yaml in" in " ".join(capsys.readouterr().err.split())


def test_folder_that_does_not_exist_is_not_taken_for_the_repository_around_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command(monkeypatch, "check", str(root / "gone")) == cli.USAGE_ERROR


def test_check_imports_nothing_that_talks_to_a_server() -> None:
    assert not HEAVY & loaded_by("console.commands.every_day.declaration_check")
