"""`put` on a terminal, until it needs a server."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from console.target.sessions import CREDENTIAL, JWT_FILE
from tests.support.processes.command import CommandLine, run_command
from tests.support.processes.terminal import END_OF_INPUT, INTERRUPT, Terminal, open_terminal

ROOT = Path(__file__).parents[5]
SECRET = "a value that nobody may see"
STAGING = ("--service", "gaara-store", "--env", "staging")
NO_CREDENTIAL = "error: no credential of strongroom-apply is configured"


def command(name: str) -> list[str]:
    return [sys.executable, "-m", "console", "put", name, *STAGING]


def put(name: str) -> AbstractContextManager[Terminal]:
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb"}
    return open_terminal(command(name), cwd=ROOT, env=environment)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Return the command of a clone, without a credential and with nothing to read."""
    monkeypatch.chdir(ROOT)
    for name in (*CREDENTIAL, JWT_FILE, "STRONGROOM_DECLARATION", "SECRETS_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdin", None)
    return CommandLine(monkeypatch, capsys)


def provide(
    line: CommandLine, value: bytes, encoding: str = "utf-8", errors: str = "strict"
) -> None:
    """Make *value* the standard input."""
    stream = io.TextIOWrapper(io.BytesIO(value), encoding=encoding, errors=errors)
    line.monkeypatch.setattr(sys, "stdin", stream)


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        (
            "smtp-pasword",
            STAGING,
            "staging has no secret 'smtp-pasword'; did you mean 'smtp-password'?",
        ),
        (
            "key",
            STAGING,
            (
                "staging has no secret 'key' (expected database-url, jwt-secret, redis-url or "
                "smtp-password); declare a new one"
            ),
        ),
        ("key", STAGING[:2], "dev has no secret 'key'"),
    ],
    ids=["similar name", "other name", "dev by default"],
)
def test_value_is_not_asked_for_if_the_secret_is_not_declared(
    line: CommandLine, name: str, options: tuple[str, ...], error: str
) -> None:
    assert run_command(line.monkeypatch, "put", name, *options) == 1
    assert line.capsys.readouterr().err.startswith(f"error: gaara-store-{error}")


def test_typed_value_is_not_shown() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp")
        assert not terminal.shows_typing()
        terminal.type(f"{SECRET}\n")
        shown = terminal.finish()
    assert SECRET not in shown
    assert NO_CREDENTIAL in shown
    assert terminal.process.returncode == 1


@pytest.mark.parametrize(
    "pasted",
    [
        pytest.param('{\n  "type": "service_account",\n  "key": "invented"\n}\n', id="lines"),
        pytest.param("first-invented\nsecond", id="second line without an end"),
        pytest.param("invented" * 600 + "\n", id="long line"),
    ],
)
def test_pasted_value_that_a_terminal_cuts_off_is_refused(pasted: str) -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type(pasted)
        shown = terminal.finish()
    assert "error: smtp-password: a terminal takes one line of at most 4094 bytes" in shown
    assert "invented" not in shown
    assert terminal.process.returncode == 1


def test_longest_line_of_a_terminal_is_taken() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type("a" * 4094 + "\n")
        assert NO_CREDENTIAL in terminal.finish()


def test_beginning_of_a_key_is_refused(line: CommandLine) -> None:
    provide(line, b"-----BEGIN PRIVATE KEY-----\n")
    error = "smtp-password is the beginning of a PEM block only; pass its whole file on"
    line.assert_rejected(1, error, "put", "smtp-password", *STAGING)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        (
            "database-url",
            "invented",
            "a PostgreSQL database; pass one such as postgresql+psycopg://",
        ),
        ("database-url", "https://invented/", "a PostgreSQL database"),
        ("database-url", "postgresql://invented:port/shop", "a PostgreSQL database"),
        ("database-url", "postgresql://ada:p@invented@db/shop", "a PostgreSQL database"),
        ("redis-url", "invented", "a Redis server; pass one such as redis://HOST:PORT/0"),
        ("redis-url", "redis://invented:port/0", "a Redis server"),
    ],
)
def test_value_that_is_no_url_of_the_services_server_is_refused(
    line: CommandLine, name: str, value: str, error: str
) -> None:
    provide(line, value.encode())
    assert run_command(line.monkeypatch, "put", name, *STAGING) == 1
    shown = line.capsys.readouterr().err
    assert f"error: the value of {name} is not the URL of {error}" in shown
    assert "percent-encode special characters" in shown
    assert "invented" not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database-url", "postgresql+psycopg://ada:a#/[@db.internal:5432/shop"),
        ("database-url", "postgres:///shop?host=/run/postgresql"),
        ("redis-url", "rediss://:password@redis.internal:6380/0"),
        ("redis-url", "unix:///run/redis.sock"),
    ],
)
def test_url_of_the_services_server_is_taken(line: CommandLine, name: str, value: str) -> None:
    provide(line, value.encode())
    line.assert_rejected(1, NO_CREDENTIAL, "put", name, *STAGING)


@pytest.mark.parametrize("key", [END_OF_INPUT, INTERRUPT], ids=["end of input", "interrupt"])
def test_question_without_an_answer_changes_nothing(key: str) -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type(key)
        assert terminal.finish().endswith("\nAborted; nothing was changed.\n")
    assert terminal.process.returncode == 1


def test_value_that_is_no_text_is_refused() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type("\udcff\n")
        assert "error: smtp-password: the input is not UTF-8" in terminal.finish()
    assert terminal.process.returncode == 1


def test_process_without_a_terminal_of_its_own_names_the_way() -> None:
    ours, theirs = os.openpty()
    environment = {"PATH": os.environ["PATH"]}
    ended = subprocess.run(
        command("smtp-password"),
        stdin=theirs,
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        start_new_session=True,
    )
    os.close(ours)
    os.close(theirs)
    expected = "error: there is no terminal to ask on: /dev/tty: No such device or address; pass"
    assert ended.stderr.decode().startswith(expected)
    assert ended.returncode == 1


@pytest.mark.parametrize(
    ("encoding", "errors"),
    [("utf-8", "strict"), ("utf-8", "surrogateescape"), ("latin-1", "strict")],
)
def test_file_that_is_no_text_is_refused(line: CommandLine, encoding: str, errors: str) -> None:
    provide(line, b"key\xff", encoding, errors)
    assert run_command(line.monkeypatch, "put", "smtp-password", *STAGING) == 1
    error = "error: smtp-password: the input is not UTF-8; pass"
    assert line.capsys.readouterr().err.startswith(error)
