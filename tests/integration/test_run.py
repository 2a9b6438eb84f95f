"""Command ``run``: a program with the secrets of its service, on a real server."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.polling import wait_until
from tests.support.processes.terminal import INTERRUPT, Terminal, open_terminal
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

NAME: Final = "smtp-password"
#: Program that shows its variables.
SHOW: Final = "import json, os; print(json.dumps(dict(os.environ)))"
#: Program that cleans up at a signal, and ends with an exit code of its own.
CLEAN_UP: Final = """
import signal, sys, time
got = []
def end(number, frame):
    got.append(number)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, end)
print("started", flush=True)
while not got:
    time.sleep(0.02)
time.sleep(0.3)
print("got", *map(int, got), flush=True)
sys.exit(9)
"""
#: Program that writes down each start, and waits.
NOTE: Final = """
import os, signal, sys
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {os.environ.get('SMTP_PASSWORD')} {open(sys.argv[2]).read()}\\n")
signal.pause()
"""


@dataclass
class Runner:
    """A service of the deployment, whose program is run."""

    deployment: Deployment
    folder: Path

    def command(self, *options: str, program: str = SHOW) -> list[str]:
        return [
            *(sys.executable, "-P", "-m", "app_integration", "run", *options),
            *("--", sys.executable, "-c", program),
        ]

    def variables(self, **more: str) -> dict[str, str]:
        dotenv = {"STRONGROOM_DOTENV": str(self.folder / ".env")}
        path = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        return {**path, **self.deployment.variables, **dotenv, **more}

    def start(self, command: list[str], **more: str) -> subprocess.Popen[str]:
        """Start a process without a terminal."""
        return subprocess.Popen(
            command,
            env=self.variables(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *options: str, program: str = SHOW, **more: str) -> tuple[int, str, str]:
        """Run the command, and return its exit code, its output and its errors."""
        with self.start(self.command(*options, program=program), **more) as process:
            output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def show(self, *options: str, **more: str) -> dict[str, str]:
        code, output, errors = self.run(*options, **more)
        assert code == 0, errors
        shown: dict[str, str] = json.loads(output)
        return shown

    def value(self, name: str) -> str:
        path = f"secret/data/gaara-store/dev/{name}"
        found: str = self.deployment.operator.get(path)["data"]["data"]["value"]
        return found

    def tokens(self) -> set[str]:
        return set(self.deployment.operator.list("auth/token/accessors"))


@pytest.fixture
def runner(deployment: Deployment, tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(deployment, tmp_path)
    before = runner.value(NAME)
    yield runner
    deployment.write_secret(NAME, before)


def test_program_gets_secrets_and_none_of_our_variables(runner: Runner) -> None:
    tokens = runner.tokens()
    shown = runner.show("--name", NAME, "--name", "jwt-secret", GREETING="hello", VAULT_TOKEN="t")
    assert shown["SMTP_PASSWORD"] == runner.value(NAME)
    assert shown["JWT_SECRET"] == runner.value("jwt-secret")
    assert shown["GREETING"] == "hello"
    assert not [name for name in shown if name.startswith(("STRONGROOM_", "VAULT_"))]
    assert runner.tokens() <= tokens


def test_declared_secrets_are_the_default(runner: Runner) -> None:
    listed = runner.folder / "declared.txt"
    listed.write_text(f"{NAME}\njwt-secret\n")
    shown = runner.show(STRONGROOM_DECLARATION=str(listed))
    assert shown.keys() >= {"SMTP_PASSWORD", "JWT_SECRET"}
    code, output, errors = runner.run("--name", "redis-url", STRONGROOM_DECLARATION=str(listed))
    assert (code, output) == (1, "")
    assert "secret 'redis-url' is not declared" in errors


def test_secret_is_in_a_private_file_while_the_program_runs(runner: Runner) -> None:
    path = runner.folder / "smtp"
    runner.deployment.write_secret(NAME, "schlüssel\n" * 20_000)
    code, output, errors = runner.run("--name", NAME)
    assert (code, output) == (1, "")
    assert "the secret smtp-password has 220000 bytes" in errors
    assert "pass --file smtp-password=PATH" in errors
    program = (
        "import hashlib, os; path = os.environ['SMTP_PASSWORD_FILE'];"
        "print(oct(os.stat(path).st_mode), hashlib.sha256(open(path, 'rb').read()).hexdigest(),"
        " 'SMTP_PASSWORD' in os.environ)"
    )
    code, output, errors = runner.run("--file", f"{NAME}={path}", program=program)
    assert code == 0, errors
    digest = hashlib.sha256(runner.value(NAME).encode()).hexdigest()
    assert output.split() == ["0o100600", digest, "False"]
    assert not path.exists()


@pytest.mark.parametrize(
    ("program", "code"),
    [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137), ("pass", 0)],
)
def test_exit_code_is_that_of_the_program(runner: Runner, program: str, code: int) -> None:
    assert runner.run("--name", NAME, program=program)[0] == code


def test_file_of_somebody_else_stays_if_a_secret_cannot_be_read(runner: Runner) -> None:
    path = runner.folder / "theirs"
    path.write_text("theirs")
    code, _, errors = runner.run("--name", NAME, "--file", f"absent={path}")
    assert code == 1
    assert "absent: denied or absent" in errors
    assert path.read_text() == "theirs"


def test_program_that_is_not_there_is_named(runner: Runner) -> None:
    process = runner.start([*runner.command("--name", NAME)[:-3], "no-such-program"])
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no-such-program: No such file" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_of_another_process_reaches_the_program_once(
    runner: Runner, number: signal.Signals
) -> None:
    tokens = runner.tokens()
    with runner.start(runner.command("--name", NAME, program=CLEAN_UP)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (9, f"got {number.value}\n")
    assert runner.tokens() <= tokens


def test_interrupt_of_a_terminal_reaches_the_program_once(runner: Runner) -> None:
    with on_terminal(runner, CLEAN_UP) as terminal:
        terminal.read_until("started\n")
        terminal.type(INTERRUPT)
        assert terminal.finish().endswith("got 2\n")
        assert terminal.process.returncode == 9


def test_program_reads_the_terminal(runner: Runner) -> None:
    with on_terminal(runner, "print('read', input())") as terminal:
        terminal.type("a line\n")
        assert terminal.finish().endswith("read a line\n")
        assert terminal.process.returncode == 0


def test_program_is_restarted_with_the_new_value(runner: Runner) -> None:
    notes, path = runner.folder / "notes", runner.folder / "jwt"
    options = ("--restart-on-change", "--name", NAME, "--file", f"jwt-secret={path}")
    command = [*runner.command(*options, program=NOTE), str(notes), str(path)]
    started: list[list[str]] = []

    def starts(count: int) -> bool:
        started[:] = [line.split() for line in notes.read_text().splitlines()]
        return len(started) == count

    notes.write_text("")
    with runner.start(command, STRONGROOM_LIMIT_CACHE_TTL="1") as process:
        wait_until(lambda: starts(1), "the first start")
        runner.deployment.write_secret(NAME, "rotated-1")
        wait_until(lambda: starts(2), "the restart")
        runner.deployment.write_secret(NAME, "rotated-2")
        wait_until(lambda: starts(3), "the second restart")
        assert process.poll() is None
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert [each[1] for each in started[1:]] == ["rotated-1", "rotated-2"]
    assert len({each[0] for each in started}) == 3
    assert [is_running(int(each[0])) for each in started] == [False] * 3
    assert process.returncode == 128 + signal.SIGTERM
    assert errors.count('"event": "restarted"') == 2
    assert "rotated" not in errors
    assert not path.exists()


def test_env_file_is_enough_in_development(runner: Runner) -> None:
    (runner.folder / ".env").write_text("SMTP_PASSWORD=of-the-file\n")
    own: dict[str, Any] = {"STRONGROOM_SOURCES": "dotenv", "VAULT_ADDR": "https://127.0.0.1:1"}
    assert runner.show("--name", NAME, **own)["SMTP_PASSWORD"] == "of-the-file"


def on_terminal(runner: Runner, program: str) -> AbstractContextManager[Terminal]:
    command = runner.command("--name", NAME, program=program)
    return open_terminal(command, env=runner.variables())


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
