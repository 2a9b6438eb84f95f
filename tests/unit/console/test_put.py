"""`put` on a terminal, until it needs a server."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.processes.terminal import INTERRUPT, Terminal, open_terminal

ROOT = Path(__file__).parents[3]
SECRET = "a value that nobody may see"


def put(name: str) -> AbstractContextManager[Terminal]:
    arguments = ("put", name, "--service", "gaara-store", "--env", "staging")
    command = [sys.executable, "-m", "console", *arguments]
    return open_terminal(command, cwd=ROOT, env={"PATH": os.environ["PATH"], "TERM": "dumb"})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smtp-pasword", "; did you mean 'smtp-password'?"),
        ("key", " (expected database-url, jwt-secret, redis-url or smtp-password)"),
    ],
)
def test_value_is_not_asked_for_if_the_secret_is_not_declared(name: str, hint: str) -> None:
    with put(name) as terminal:
        expected = f"error: gaara-store-staging has no secret {name!r}{hint}; a new one is declared"
        assert terminal.finish().startswith(expected)
    assert terminal.process.returncode == 1


def test_typed_value_is_not_shown() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp")
        assert not terminal.shows_typing()
        terminal.type(f"{SECRET}\n")
        shown = terminal.finish()
    assert SECRET not in shown
    assert "error: no credential of strongroom-apply is configured" in shown
    assert terminal.process.returncode == 1


def test_pasted_key_is_not_cut_off_after_its_first_line() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type("-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n")
        shown = terminal.finish()
    assert "smtp-password is the beginning of a PEM block only; pass its whole file on" in shown
    assert "MC4CAQ" not in shown
    assert terminal.process.returncode == 1


def test_interrupted_question_changes_nothing() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type(INTERRUPT)
        assert terminal.finish().endswith("\nAborted; nothing was changed.\n")
    assert terminal.process.returncode == 1
