"""`put` on a terminal, until it needs a server."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.processes.terminal import END_OF_INPUT, INTERRUPT, Terminal, open_terminal

ROOT = Path(__file__).parents[5]
SECRET = "a value that nobody may see"


def command(name: str) -> list[str]:
    arguments = ("put", name, "--service", "gaara-store", "--env", "staging")
    return [sys.executable, "-m", "console", *arguments]


def put(name: str) -> AbstractContextManager[Terminal]:
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb"}
    return open_terminal(command(name), cwd=ROOT, env=environment)


def run_put(name: str, value: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        command(name),
        input=value,
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


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


def test_environment_is_dev_by_default() -> None:
    options = [each for each in command("key") if each not in {"--env", "staging"}]
    done = subprocess.run(options, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.stderr.startswith("error: gaara-store-dev has no secret 'key'")


def test_typed_value_is_not_shown() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp")
        assert not terminal.shows_typing()
        terminal.type(f"{SECRET}\n")
        shown = terminal.finish()
    assert SECRET not in shown
    assert "error: no credential of strongroom-apply is configured" in shown
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
        assert "error: no credential of strongroom-apply" in terminal.finish()


def test_beginning_of_a_key_is_refused() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type("-----BEGIN PRIVATE KEY-----\n")
        shown = terminal.finish()
    assert "smtp-password is the beginning of a PEM block only; pass its whole file on" in shown
    assert terminal.process.returncode == 1


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("database-url", "invented", "pass one such as postgresql+psycopg://HOST:PORT/NAME"),
        ("database-url", "https://invented/", "is not the URL of a PostgreSQL database"),
        ("database-url", "postgresql://invented:port/shop", "percent-encode special characters"),
        ("database-url", "postgresql://ada:p@invented@db/shop", "percent-encode"),
        ("redis-url", "invented", "pass one such as redis://HOST:PORT/0"),
        ("redis-url", "redis://invented:port/0", "is not the URL of a Redis server"),
    ],
)
def test_value_that_is_no_url_of_the_services_server_is_refused(
    name: str, value: str, hint: str
) -> None:
    ended = run_put(name, value)
    assert ended.returncode == 1
    assert f"error: the value of {name} is not the URL of a " in ended.stderr
    assert hint in ended.stderr
    assert "invented" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database-url", "postgresql+psycopg://ada:a#/[@db.internal:5432/shop"),
        ("database-url", "postgres:///shop?host=/run/postgresql"),
        ("redis-url", "rediss://:password@redis.internal:6380/0"),
        ("redis-url", "unix:///run/redis.sock"),
    ],
)
def test_url_of_the_services_server_is_taken(name: str, value: str) -> None:
    assert "error: no credential of strongroom-apply" in run_put(name, value).stderr


def test_end_of_input_changes_nothing() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type(END_OF_INPUT)
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


@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape", "latin-1"])
def test_file_that_is_no_text_is_refused(encoding: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": encoding}
    ended = subprocess.run(
        command("smtp-password"),
        input=b"key\xff",
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
    )
    assert ended.stderr.decode().startswith("error: smtp-password: the input is not UTF-8; pass")
    assert ended.returncode == 1


def test_interrupted_question_changes_nothing() -> None:
    with put("smtp-password") as terminal:
        terminal.read_until("smtp-password: ")
        terminal.type(INTERRUPT)
        assert terminal.finish().endswith("\nAborted; nothing was changed.\n")
    assert terminal.process.returncode == 1
