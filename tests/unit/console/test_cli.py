"""Errors on the command line: one message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from console import cli, compose_init, operate


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["strongroom", *arguments])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    assert isinstance(exited.value.code, int)
    return exited.value.code


def test_up_in_a_missing_folder_says_which_folder_to_create(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "gone" / ".strongroom"
    assert run(monkeypatch, "up", "--root", str(root)) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert f"{root} cannot be created in {root.parent}: No such file or directory" in printed
    assert "create that folder first, or pass another one with --root" in printed
    assert "Traceback" not in printed


def test_command_on_a_full_disk_names_the_file_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/lock")

    monkeypatch.setattr(operate, "local_deployment", full)
    assert run(monkeypatch, "status") == 1
    assert "error: /somewhere/lock: No space left on device" in capsys.readouterr().err


def test_unknown_compose_step_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        compose_init.main(["unknown"])
    assert exited.value.code == cli.USAGE_ERROR
    assert "invalid choice" in capsys.readouterr().err
