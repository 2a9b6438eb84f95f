"""Errors on the command line: one message and an exit code."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import socket
from pathlib import Path
from typing import NoReturn

import pytest

from app_integration.errors import ConfigurationError
from console import cli, compose_init
from console.commands.start import adoption, env_files
from console.program_version import describe_version
from console.scaffold.new_repository import NewRepository
from console.target import sessions
from console.target.target import Target
from local.runtimes.container_runtime import ContainerRuntime
from tests.support.processes.command import run_command
from vault.declare import load
from vault.rotation.hooks import HookFailed


def test_version_is_that_of_the_tool(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"strongroom {describe_version()}\n"


def test_up_in_a_missing_folder_says_which_folder_to_create(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "gone" / ".strongroom"
    assert run_command(monkeypatch, "up", "--root", str(root)) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert f"{root} cannot be created in {root.parent}: No such file or directory" in printed
    assert "create that folder first, or pass another one with --root" in printed
    assert "Traceback" not in printed


def test_reset_without_a_deployment_says_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / ".strongroom"
    for arguments in ((), ("--yes",)):
        assert run_command(monkeypatch, "reset", "--root", str(root), *arguments) == 0
        assert capsys.readouterr().out == f"There is no local deployment in {root}.\n"


def test_command_on_a_full_disk_names_the_file_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/lock")

    monkeypatch.setattr(Target, "local_deployment", full)
    assert run_command(monkeypatch, "status") == 1
    assert capsys.readouterr().err == (
        "error: /somewhere/lock: No space left on device; free some room on the disk, then run the"
        " same command again\n"
    )


def test_question_without_a_terminal_names_the_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run_command(monkeypatch, "reset", "--root", str(tmp_path)) == 1
    assert capsys.readouterr().err.endswith(
        "Aborted; nothing was changed. Without a terminal nobody can answer; pass --yes.\n"
    )


def test_interrupted_command_says_that_it_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(Target, "local_deployment", interrupt)
    assert run_command(monkeypatch, "up") == cli.INTERRUPTED
    assert capsys.readouterr().err == (
        "\nInterrupted; what was finished stays. To continue, run the same command again.\n"
    )


def test_error_with_the_text_of_a_hook_does_not_control_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise HookFailed("the hook set: \x1b]0;title\x07\x1b[2K\rrotated.\nsecond line")

    monkeypatch.setattr(Target, "local_deployment", fail)
    assert run_command(monkeypatch, "up") == 1
    printed = capsys.readouterr().err
    assert r"\x1b]0;title\x07\x1b[2K\rrotated." in printed
    assert "\nsecond line" in printed
    assert "\x1b" not in printed


def test_up_in_containers_refuses_a_declaration_that_is_not_in_their_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(load.ROOT, tmp_path / "declare")
    monkeypatch.setenv("STRONGROOM_RUNTIME", "docker")
    monkeypatch.setenv("STRONGROOM_DECLARATION", str(tmp_path / "declare"))
    monkeypatch.setattr(ContainerRuntime, "running_ports", lambda _layout: {})
    assert run_command(monkeypatch, "up", "--root", str(tmp_path / ".strongroom")) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert f"STRONGROOM_DECLARATION names {tmp_path / 'declare'}, but the image" in printed
    assert f"contains the declaration of {load.PROJECT}; unset the variable" in printed
    assert "start with STRONGROOM_RUNTIME=embedded" in printed
    assert not (tmp_path / ".strongroom").exists()


def test_up_in_containers_without_a_compose_file_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    NewRepository("parcels", "ada").write(tmp_path)
    (tmp_path / "docker-compose.yml").write_text("services: {web: {image: ours}}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRONGROOM_RUNTIME", "docker")
    monkeypatch.setattr(ContainerRuntime, "running_ports", lambda _layout: {})
    assert run_command(monkeypatch, "up") == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert f"{tmp_path / 'docker-compose.yml'} starts no deployment; copy" in printed
    assert "STRONGROOM_RUNTIME=embedded strongroom up" in printed
    assert not (tmp_path / ".strongroom").exists()


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("http://127.0.0.1:8200", "the local deployment's address; unset it to use the server"),
        ("http://127.0.0.1:8200/", "the local deployment's address; unset it to use the server"),
        ("http://vault.example.com:8200", "http is allowed to this machine only: use https"),
    ],
)
def test_credential_of_prod_is_not_sent_to_an_address_of_dev(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str,
    hint: str,
) -> None:
    def refuse(*_: object) -> NoReturn:
        pytest.fail("the command opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for part in ("ROLE_ID", "SECRET_ID"):
        (tmp_path / part).write_text("a")
        monkeypatch.setenv(f"STRONGROOM_OPERATOR_{part}_FILE", str(tmp_path / part))
    monkeypatch.setenv("VAULT_ADDR", address)
    root = str(tmp_path / ".strongroom")
    assert run_command(monkeypatch, "plan", "--env", "prod", "--root", root) == 1
    assert hint in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_folder_of_provided_values_that_is_missing_is_a_usage_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    missing = str(tmp_path / "gven")
    assert run_command(monkeypatch, command, "--env", "prod", "--given", missing) == 64
    assert f"'{missing}' does not exist" in " ".join(capsys.readouterr().err.split())


COMMANDS = {
    "plan": (),
    "apply": (),
    "put": ("token", "--service", "shop"),
    "import-env": ("x.env", "--service", "shop"),
    "export-env": ("--service", "shop", "--reason", "x"),
    "adopt": ("token", "--service", "shop"),
    "rotate-password": ("token", "--service", "shop"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("qa", "); declare a new one in environments/qa.yaml"),
        ("Prod", "; did you mean 'prod'?)"),
        ("stagin", "; did you mean 'staging'?)"),
    ],
)
def test_command_rejects_an_environment_without_a_file_before_any_request(
    command: str,
    name: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in (sessions, env_files, adoption):
        monkeypatch.setattr(module, "open_operator_session", lambda *_: pytest.fail("opened"))
    assert run_command(monkeypatch, command, *COMMANDS[command], "--env", name) == 1
    expected = f"no environment {name!r} is declared (expected dev, prod or staging{hint}"
    assert expected in " ".join(capsys.readouterr().err.split())


def test_command_accepts_the_long_form_of_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(target: Target, *_: object) -> NoReturn:
        asked.append(target.environment)
        raise ConfigurationError("no credential")

    monkeypatch.setattr(sessions, "open_operator_session", note)
    assert run_command(monkeypatch, "plan", "--env", "production") == 1
    assert asked == ["prod"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("staging",), 1, "no credential for staging is configured"),
        (("prod",), cli.USAGE_ERROR, "prod is like no other environment: pass a second one"),
        (("prod", "production"), cli.USAGE_ERROR, "pass two different environments"),
        (("prod", "qa"), 1, "no environment 'qa' is declared (expected dev, prod or staging)"),
    ],
)
def test_diff_compares_with_the_environment_that_the_first_is_like(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(monkeypatch, "environments", "diff", *arguments) == code
    assert words in " ".join(capsys.readouterr().err.split())


def test_unknown_compose_step_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        compose_init.main(["unknown"])
    assert exited.value.code == cli.USAGE_ERROR
    assert "invalid choice" in capsys.readouterr().err


def test_schema_is_printed_or_written_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "schema", "service") == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["required"] == ["service", "owner", "description"]
    file = tmp_path / "service.schema.json"
    assert run_command(monkeypatch, "schema", "service", "--out", str(file)) == 0
    assert file.read_text(encoding="utf-8") == printed
    assert capsys.readouterr().out == ""


def test_schema_of_an_unknown_kind_of_file_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "schema", "policy") == cli.USAGE_ERROR
    assert "'service', 'environment'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("plan --help", True),
        ("--help", True),
        ("run -- prog --help", False),
        ("run --help -- prog", True),
        ("plan", False),
    ],
)
def test_help_of_a_program_that_is_run_is_its_own(words: str, expected: bool) -> None:
    assert cli._asks_for_help(["strongroom", *words.split()]) is expected
