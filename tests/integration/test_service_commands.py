"""Commands ``strongroom run`` and ``strongroom get`` after ``up``, in a shell without variables."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from console.commands.every_day.shown_deployment import show_use
from tests.support.processes.terminal import INTERRUPT, Terminal, open_terminal
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "smtp-password"
STORE: Final = ("--service", "gaara-store")
#: Program that shows its variables.
SHOW: Final = "import json, os; print(json.dumps(dict(os.environ)))"
#: Program that ends at a signal, with an exit code of its own.
CLEAN_UP: Final = """
import signal, sys, time
got = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: got.append(number))
print("started", flush=True)
while not got:
    time.sleep(0.02)
print("got", *got, flush=True)
sys.exit(9)
"""


@dataclass
class Shell:
    """A shell that has read no file of the deployment."""

    deployment: Deployment
    folder: Path

    def command(self, *arguments: str, program: str | None = None) -> list[str]:
        name, *rest = arguments
        root = ("--root", str(self.deployment.layout.root))
        end = () if program is None else ("--", sys.executable, "-c", program)
        return [sys.executable, "-m", "console", name, *root, *rest, *end]

    def variables(self, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TERM": "dumb", **more}

    def start(self, command: list[str], **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.variables(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(
        self, *arguments: str, program: str | None = None, **more: str
    ) -> tuple[int, str, str]:
        """Run a command; return its exit code, its output and its errors."""
        with self.start(self.command(*arguments, program=program), **more) as process:
            output, errors = process.communicate(timeout=60)
        return process.returncode, output, " ".join(errors.split())

    def on_terminal(
        self, *arguments: str, program: str | None = None, **more: str
    ) -> AbstractContextManager[Terminal]:
        command = self.command(*arguments, program=program)
        return open_terminal(command, env=self.variables(**more), cwd=ROOT)

    def shown(self, *arguments: str, **more: str) -> tuple[int | None, str]:
        """Run a command on a terminal; return its exit code, and what is shown."""
        with self.on_terminal(*arguments, **more) as terminal:
            text = terminal.finish()
        return terminal.process.returncode, text

    def value(self, name: str) -> str:
        path = f"secret/data/gaara-store/dev/{name}"
        found: str = self.deployment.operator.get(path)["data"]["data"]["value"]
        return found

    def records(self) -> list[dict[str, Any]]:
        path = self.deployment.layout.logs / "access.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def tokens(self) -> set[str]:
        return set(self.deployment.operator.list("auth/token/accessors"))

    def log_in_as_developer(self) -> Path:
        """Log in by userpass as a person does, and return the file with the token."""
        password = self.deployment.local.person_password("developer").read_text()
        login = self.deployment.operator.post(
            "auth/userpass/login/developer", {"password": password}
        )
        return self.write_token(login["auth"]["client_token"])

    def write_token(self, token: str) -> Path:
        file = self.folder / ".vault-token"
        file.touch(0o600)
        file.write_text(token)
        return file


@pytest.fixture
def shell(deployment: Deployment, tmp_path: Path) -> Shell:
    return Shell(deployment, tmp_path)


def test_program_gets_all_declared_secrets_and_no_credential(shell: Shell) -> None:
    tokens = shell.tokens()
    code, output, errors = shell("run", *STORE, program=SHOW, GREETING="hello", VAULT_TOKEN="t")
    assert code == 0, errors
    given = json.loads(output)
    for variable, name in (("SMTP_PASSWORD", NAME), ("JWT_SECRET", "jwt-secret")):
        assert given[variable] == shell.value(name)
    assert given.keys() >= {"DATABASE_URL", "REDIS_URL"}
    assert given["GREETING"] == "hello"
    assert not [each for each in given if each.startswith(("STRONGROOM_", "VAULT_"))]
    assert not given.keys() & {"ENVIRONMENT", "SECRETS_BACKEND"}
    assert shell.tokens() <= tokens
    read, kept = [each for each in shell.records() if each["secret"] == NAME][-2:]
    assert (read["service"], read["source"]) == ("gaara-store", "vault")
    assert (kept["operation"], kept["kept_in"]) == ("keep", "SMTP_PASSWORD")


def test_line_that_up_prints_runs_a_program(shell: Shell) -> None:
    file, local = StringIO(), shell.deployment.local
    show_use(Console(file=file, width=500), local, local.service("gaara-store"))
    (line,) = [each for each in file.getvalue().splitlines() if "strongroom run" in each]
    words = shlex.split(line.replace("PROGRAM", "true"))
    with shell.start([sys.executable, "-m", "console", *words[1:]]) as process:
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_program_gets_the_named_secrets_only(shell: Shell) -> None:
    path = shell.folder / "jwt"
    options = ("--name", NAME, "--file", f"jwt-secret={path}")
    code, output, errors = shell("run", *STORE, *options, program=SHOW)
    assert code == 0, errors
    given = json.loads(output)
    assert given["SMTP_PASSWORD"] == shell.value(NAME)
    assert given["JWT_SECRET_FILE"] == str(path)
    assert not given.keys() & {"JWT_SECRET", "DATABASE_URL", "REDIS_URL"}
    assert not path.exists()


def test_signal_and_exit_code_are_passed_on(shell: Shell) -> None:
    tokens = shell.tokens()
    command = shell.command("run", *STORE, "--name", NAME, program=CLEAN_UP)
    with shell.start(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (9, "got 15\n")
    assert shell.tokens() <= tokens
    with shell.on_terminal("run", *STORE, "--name", NAME, program=CLEAN_UP) as terminal:
        terminal.read_until("started\n")
        terminal.type(INTERRUPT)
        assert terminal.finish().endswith("got 2\n")
        assert terminal.process.returncode == 9


def test_program_that_an_interrupt_ended_has_its_own_last_word(shell: Shell) -> None:
    code, output, errors = shell("run", *STORE, "--name", NAME, program="raise SystemExit(130)")
    assert (code, output, errors) == (130, "", "")


@pytest.mark.parametrize("command", ["run", "get"])
def test_one_of_several_services_must_be_named(shell: Shell, command: str) -> None:
    arguments = ("run", "--", "true") if command == "run" else ("get", NAME)
    code, text = shell.shown(*arguments)
    expected = (
        "error: dev has several services; pass --service gaara-store or --service orders-mail"
    )
    assert (code, text.strip()) == (1, expected)


def test_deployment_that_was_not_started_is_named(shell: Shell) -> None:
    root = shell.folder / "elsewhere"
    code, _, errors = shell("run", "--root", str(root), *STORE, program=SHOW)
    assert code == 1
    assert (
        f"{root}/env/gaara-store.env does not exist; start the deployment with strongroom up"
        in (errors)
    )
    assert "SECRETS_BACKEND=memory" in errors


def test_value_is_shown_on_a_terminal_and_recorded(shell: Shell) -> None:
    tokens, before = shell.tokens(), len(shell.records())
    code, text = shell.shown("get", NAME, *STORE, SMTP_PASSWORD="of-the-shell")
    assert (code, text) == (0, f"{shell.value(NAME)}\n")
    assert shell.tokens() <= tokens
    read, shown = shell.records()[before:]
    assert (read["operation"], read["secret"], read["source"]) == ("get_secret", NAME, "vault")
    assert (shown["operation"], shown["secret"], shown["outcome"]) == ("get", NAME, "shown")
    assert shown["uid"] == os.getuid()
    path = f"secret/data/gaara-store/dev/{NAME}"
    lines = shell.deployment.audit_lines(path, "gaara-store-dev")
    assert any(read["request_id"] in line for line in lines)  # the agent reads it, too


def test_value_is_not_shown_elsewhere(shell: Shell) -> None:
    before = len(shell.records())
    code, output, errors = shell("get", NAME, *STORE)
    assert (code, output) == (1, "")
    assert "error: get shows a value on a terminal only; in a script, run a command" in errors
    assert " --name smtp-password -- COMMAND" in errors
    assert len(shell.records()) == before


def test_value_cannot_command_the_terminal(shell: Shell, deployment: Deployment) -> None:
    before = shell.value(NAME)
    deployment.write_secret(NAME, "line 1\nline 2\x1b]0;title\x07")
    try:
        code, text = shell.shown("get", NAME, *STORE)
    finally:
        deployment.write_secret(NAME, before)
    assert code == 0
    assert "line 1\nline 2\\x1b]0;title\\x07\n" in text
    assert "has characters that are not printable, which are escaped here" in text


def test_undeclared_name_is_named(shell: Shell) -> None:
    code, text = shell.shown("get", "smtp-pasword", *STORE)
    assert code == 1
    assert "did you mean 'smtp-password'?" in text
    _, _, errors = shell("get", "smtp-pasword", *STORE)  # without a terminal, too
    assert "is not declared; did you mean 'smtp-password'? Otherwise add it to" in errors


def test_variables_of_the_shell_lead_nowhere_else(shell: Shell) -> None:
    file = shell.log_in_as_developer()
    strays = {"STRONGROOM_ENVIRONMENT": "prod", "STRONGROOM_AUTH": "token"}
    own = {**strays, "STRONGROOM_TOKEN_FILE": str(file)}
    value = shell.value(NAME)
    assert shell.shown("get", NAME, *STORE, **own) == (0, f"{value}\n")
    lines = shell.deployment.audit_lines(f"secret/data/gaara-store/dev/{NAME}")
    assert '"display_name":"userpass-developer"' not in lines[-1]
    code, output, _ = shell("run", *STORE, "--name", NAME, program=SHOW, **own)
    assert (code, json.loads(output)["SMTP_PASSWORD"]) == (0, value)
