"""A second developer: `git clone`, two commands, and the service runs with every value.

What the README of a new repository says is done as it is written there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from app_integration.testing.ports import free_ports
from local.ports import Ports, setting
from tests.support.processes.application import ROOT
from tests.support.processes.terminal import open_terminal

pytestmark = pytest.mark.requires("embedded")

#: Values that the team got from others, and shares.
SHARED: Final = {"carrier-token": "tok-9f8e7d6c5b4a3f", "mail-token": "mail-1a2b3c4d5e6f"}
#: What the service does: it prints its values as JSON.
SERVICE: Final = (
    "import json, app_integration as a; names = {names};"
    "print(json.dumps({{n: a.get_secret(n).reveal() for n in names}}))"
)

SETTINGS: Final = """
settings:
  page-size: {type: integer, default: 25}
  smtp-host: {type: text, default: smtp.parcels.example}
"""
VARIABLES: Final = "set -a; . .strongroom/env/parcels.env; set +a"


class Developer:
    """Developer with a home, a clone in *folder*, and ports of their own."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.folder = folder
        program = home / "bin" / "strongroom"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m console "$@"\n')
        program.chmod(0o700)
        ports = Ports(*free_ports(6)).by_name()
        self.variables = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            **{setting(name): str(port) for name, port in ports.items()},
        }

    def __call__(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            cwd=self.folder if self.folder.exists() else self.folder.parent,
            env=self.variables,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, *arguments: str, typed: str = "") -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self(*arguments, typed=typed)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fail(self, *arguments: str) -> str:
        """Run a command that must fail, and return its error."""
        done = self(*arguments)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def on_terminal(self, command: list[str], question: str | None = None, answer: str = "") -> str:
        """Run a command on a terminal, answer its *question* if it has one, and return the rest."""
        variables = {**self.variables, "NO_COLOR": "1", "TERM": "dumb"}
        with open_terminal(command, env=variables, cwd=self.folder) as terminal:
            if question is not None:
                terminal.read_until(question)
                terminal.type(f"{answer}\n")
            shown = terminal.finish()
        assert terminal.process.returncode == 0, shown
        return shown

    def public_key(self) -> str:
        return self("dev-values", "key").stdout.strip()

    def block(self, section: str, number: int = 0, name: str = "") -> str:
        """Return a block of commands in a section of the repository's README."""
        text = (self.folder / "README.md").read_text().partition(f"\n## {section}\n")[2]
        blocks = re.findall(
            r"^```sh\n(.*?)^```$", text.partition("\n## ")[0], re.MULTILINE | re.DOTALL
        )
        block: str = blocks[number].replace("SERVICE", "parcels").replace("YOUR-NAME", "ada")
        return re.sub(r"\bNAME\b", name, block)

    def follow(self, section: str, number: int = 0, name: str = "", typed: str = "") -> str:
        """Run a block of the README as a shell does, and return what it printed."""
        return subprocess.run(
            ["/bin/sh", "-euc", self.block(section, number, name)],
            cwd=self.folder,
            env=self.variables,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout

    def run_service(self, *names: str) -> dict[str, str]:
        """Return the values of secrets that a process of the service gets."""
        code = SERVICE.format(names=names)
        line = f'{VARIABLES}; exec "$0" -c "$1"'
        shown = subprocess.run(
            ["/bin/sh", "-c", line, sys.executable, code],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=True,
        )
        values: dict[str, str] = json.loads(shown.stdout)
        return values

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        return subprocess.run(
            ["git", *identity, *arguments],  # noqa: S607 (git is found by PATH)
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=True,
        ).stdout


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Developer]:
    """Yield the first developer, whose service has a generated and three other values."""
    folder = tmp_path_factory.mktemp("ada")
    ada = Developer(folder / "home", folder / "parcels")
    ada.succeed("init", "parcels", "--owner", "ada")
    ada.git("init", "--quiet", "--initial-branch", "main")
    options = [option for name in SHARED for option in ("--given", name)]
    options += ["--generate", "session-key", "--given", "signing-key", "--given", "own-token"]
    ada.succeed("new", "service", "parcels", "--owner", "ada", "--description", "Ships.", *options)
    file = ada.folder / "services" / "parcels.yaml"
    text = file.read_text()
    line = "signing-key: {source: given"
    file.write_text(text.replace(line, f"{line}, dev: generated") + SETTINGS)
    yield ada
    ada("reset", "--yes")


@pytest.fixture(scope="module")
def bo(ada: Developer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Developer]:
    """Yield the second developer, whose key is a member's, and who has not cloned yet."""
    folder = tmp_path_factory.mktemp("bo")
    (folder / "work" / "clones").mkdir(parents=True)
    bo = Developer(folder / "home", folder / "work" / "clones" / "secrets of parcels")
    shown = ada.succeed("up")
    for name in (*SHARED, "own-token"):
        assert f"strongroom put {name} --service parcels --env dev" in shown
    assert "signing-key" not in shown, "dev generates it"
    for name, value in (*SHARED.items(), ("own-token", "of Ada alone")):
        ada.succeed("put", name, "--service", "parcels", "--env", "dev", typed=value)
    ada.follow("Become a member")
    with (ada.folder / "dev-values" / "members").open("a") as members:
        members.write(f"{bo.public_key()} bo\n")
    ada.succeed("dev-values", "share", *SHARED, "--service", "parcels")
    ada.git("add", ".")
    ada.git("commit", "--quiet", "--message", "parcels")
    yield bo
    bo("reset", "--yes")


def test_second_developer_clones_and_runs_the_service_by_two_commands(
    ada: Developer, bo: Developer
) -> None:
    command = ["git", "clone", "--quiet", str(ada.folder), str(bo.folder)]
    subprocess.run(command, check=True)
    assert bo.block("Run a service on your machine").splitlines() == ["strongroom up", VARIABLES]
    shown = bo.succeed("up")
    for name in SHARED:
        assert f"put {name} " not in shown
    assert "strongroom put own-token --service parcels --env dev" in shown
    generated = ("session-key", "signing-key")
    values = bo.run_service(*SHARED, *generated)
    assert {name: values[name] for name in SHARED} == SHARED
    of_ada = ada.run_service(*SHARED, *generated)
    for name in generated:
        assert len(values[name]) == 48
        assert values[name] != of_ada[name]
    assert not [value for value in SHARED.values() if value in shown]


@pytest.mark.parametrize("way", ["sourced", "run"])
def test_service_has_its_settings_with_the_servers_of_this_machine(bo: Developer, way: str) -> None:
    show = 'printf "%s " "$PAGE_SIZE" "$SMTP_HOST"'
    if way == "run":
        name = ("--name", "session-key", "--service", "parcels")
        shown = bo("run", *name, "--", "/bin/sh", "-c", show).stdout
    else:
        line = ["/bin/sh", "-c", f"{VARIABLES}; {show}"]
        shown = subprocess.run(
            line, cwd=bo.folder, capture_output=True, text=True, check=True
        ).stdout
    assert shown.split() == ["25", "127.0.0.1"]


def test_repository_has_no_value_in_clear_and_nothing_of_one_machine(
    ada: Developer, bo: Developer
) -> None:
    assert bo.variables["HOME"]
    names = ada.git("ls-files").splitlines()
    assert "dev-values/parcels.encrypted" in names
    content = b"".join((ada.folder / name).read_bytes() for name in names)
    for value in (*SHARED.values(), "of Ada alone", str(ada.folder)):
        assert value.encode() not in content


def test_value_that_is_not_shared_is_asked_for_once(bo: Developer) -> None:
    command = [sys.executable, "-m", "console", "up"]
    assert "of Bo" not in bo.on_terminal(command, "parcels: own-token", "of Bo")
    assert "own-token" not in bo.on_terminal(command)
    assert bo.run_service("own-token") == {"own-token": "of Bo"}


def test_new_value_of_the_team_is_told_of_and_taken_by_open(ada: Developer, bo: Developer) -> None:
    ada.follow("Rotate a secret", name="carrier-token", typed="tok-of-today")
    ada.git("commit", "--quiet", "--all", "--message", "token")
    bo.git("pull", "--quiet")
    assert "parcels: carrier-token" in bo.succeed("up")
    assert bo.run_service("carrier-token") == {"carrier-token": SHARED["carrier-token"]}
    opened = bo.succeed("dev-values", "open")
    assert "carrier-token: version 2" in opened
    assert "restart: a process that read it into settings" in opened
    assert bo.run_service("carrier-token") == {"carrier-token": "tok-of-today"}
    assert "carrier-token" not in bo.succeed("up")


def test_member_who_left_opens_no_new_file_and_the_values_to_change_are_listed(
    ada: Developer, bo: Developer
) -> None:
    members = ada.folder / "dev-values" / "members"
    members.write_text("".join(members.read_text().splitlines(keepends=True)[:1]))
    shown = ada.follow("Become a member", 1)
    assert "bo can open the dev-values/parcels.encrypted of before" in shown
    for name in SHARED:
        assert f"strongroom put {name} --service parcels --env dev" in shown
    ada.git("commit", "--quiet", "--all", "--message", "bo left")
    bo.git("pull", "--quiet")
    assert "is not a member" in bo.succeed("up")
    assert "is not a member" in bo.fail("dev-values", "open")
    # The line alone does not help: the file was encrypted without the key.
    (bo.folder / "dev-values" / "members").write_text(f"{bo.public_key()} bo\n")
    assert "parcels.encrypted cannot be opened" in bo.fail("dev-values", "open")


def test_secret_is_added_and_removed_as_the_readme_says(ada: Developer) -> None:
    file = ada.folder / "services" / "parcels.yaml"
    before = file.read_text()
    file.write_text(before.replace("secrets:\n", "secrets:\n  map-key: {source: given}\n"))
    command = ["/bin/sh", "-euc", ada.block("Add a secret", name="map-key")]
    ada.on_terminal(command, "parcels: map-key", "of the map")
    assert ada.run_service("map-key") == {"map-key": "of the map"}
    file.write_text(before)
    shown = ada.follow("Remove a secret", name="map-key")
    assert "wrote dev-values/parcels.encrypted: 2 values for ada;" in shown
    with pytest.raises(subprocess.CalledProcessError):
        ada.run_service("map-key")


def test_other_environments_have_no_shared_values(ada: Developer) -> None:
    for command in ("share", "open"):
        assert "dev only" in ada.fail("dev-values", command, "--env", "prod")


def test_value_that_each_machine_has_of_its_own_is_not_shared(ada: Developer) -> None:
    for name in ("session-key", "signing-key", "nothing"):
        refused = ada.fail("dev-values", "share", name, "--service", "parcels")
        assert f"no secret '{name}' that can be shared" in refused
    refused = ada.fail("dev-values", "share", "carrier-token")
    assert "the names are those of one service; pass --service" in refused
