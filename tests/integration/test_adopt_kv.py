"""Command ``adopt-kv`` on a real server: entries of both versions of KV, which stay as they are."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from console.target.checkout import DECLARATION
from console.target.target import open_target
from local.ports import Ports, setting
from local.runtime_interface import no_progress
from tests.support.processes.command import CommandLine, run_command
from vault.adoption import kv_copy, kv_entry
from vault.adoption.kv_entry import EntryField
from vault.declare import load
from vault.reconcile.resources import read_data
from vault.reconcile.resources.mounts import KvConfig

pytestmark = pytest.mark.requires("embedded")

SERVICE: Final = "gaara-store"
VALUE: Final = "hunter2 ü\n"
#: Entries of the other team by API path.
ENTRIES: Final[dict[str, dict[str, Any]]] = {
    "team-v1/smtp-token": {"value": VALUE},
    "team-v1/deep/er/smtp": {"SMTP_USER": "ada", "RELAY_PASSWORD": VALUE},
    "kv/two/data/smtp": {
        "value": VALUE,
        "port": 587,
        "tls": True,
        "hosts": ["a", {"b": 5, "c": True}],
    },
    "kv/two/data/a%20b%25": {"the field": VALUE},
    "kv/two/data/odd": {"null": None, "empty": "", "nul": "a\0b", "share": [1.10]},
    "kv/two/data/none": {},
    "kv/two/data/gone": {"value": VALUE},
}


class Killed(BaseException):
    """An exception that stands for a kill of the process."""


@dataclass(frozen=True)
class Team:
    """A deployment of its own, beside mounts of KV that another team wrote."""

    root: Path
    file: Path
    operator: Session

    def read(self, name: str) -> Secret:
        """Return the secret as the service reads it."""
        local = open_target(root=self.root).local_deployment()
        with closing(Client(local.service(SERVICE).settings())) as client:
            value: Secret = client.secrets.get(name, force_refresh=True)
            return value

    def version(self, name: str) -> int:
        """Return the current version of the secret; 0 if there is no such secret."""
        data = read_data(self.operator, f"secret/metadata/{SERVICE}/dev/{name}") or {}
        return int(data.get("current_version", 0))

    def entries(self) -> dict[str, Any]:
        """Return what the server has of each entry of the other team."""
        return {path: read_data(self.operator, path) for path in ENTRIES}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("adopt-kv")
    declaration, root = folder / "declare", folder / ".strongroom"
    for part in ("services", "environments"):
        shutil.copytree(load.ROOT / part, declaration / part)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DECLARATION, str(declaration))
        patch.delenv("VAULT_ADDR", raising=False)
        for name, port in Ports(*free_ports(6)).by_name().items():
            patch.setenv(setting(name), str(port))
        try:
            open_target(root=root).local_deployment().up(no_progress)
            with open_target(root=root).local_deployment().operator() as operator:
                write_entries(operator)
                yield Team(root, declaration / "services" / f"{SERVICE}.yaml", operator)
        finally:
            open_target(root=root).local_deployment().started.reset()


def write_entries(operator: Session) -> None:
    """Write the entries of the other team, in mounts of both versions."""
    for mount, version in (("team-v1", "1"), ("kv/two", "2")):
        operator.post(f"sys/mounts/{mount}", {"type": "kv", "options": {"version": version}})
    KvConfig("kv/two", 10).write(operator, None)  # which waits until the mount is ready
    for path, fields in ENTRIES.items():
        operator.post(path, {"data": fields} if "/data/" in path else fields)
    operator.delete("kv/two/data/gone")


def run(team: Team, command: CommandLine, entry: str, *options: str) -> tuple[int, str]:
    """Return the exit code and all that was printed. The other team's entries are as before."""
    before = team.entries()
    arguments = ("--service", SERVICE, "--env", "dev", "--root", str(team.root), *options)
    code = run_command(command.monkeypatch, "adopt-kv", entry, *arguments)
    printed = command.capsys.readouterr()
    shown = printed.out + " ".join(printed.err.split())
    assert "hunter2" not in shown
    assert team.entries() == before
    return code, shown


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [
        ("team-v1/smtp-token", "smtp-token", VALUE),
        ("team-v1/deep/er/smtp#RELAY_PASSWORD", "relay-password", VALUE),
        ("kv/two/smtp#value", "smtp", VALUE),
        ("kv/two/smtp#hosts", "hosts", '["a", {"b": 5, "c": true}]'),
    ],
)
def test_entry_becomes_a_declared_secret(
    team: Team, command_line: CommandLine, entry: str, name: str, value: str
) -> None:
    before = team.file.read_text()
    code, shown = run(team, command_line, entry, "--dry-run")
    assert (code, team.file.read_text(), team.version(name)) == (2, before, 0)
    assert f"{entry} to {name} of {SERVICE}-dev: to be declared, its value is missing" in shown
    assert ("as its JSON text" in shown) == (value != VALUE)
    code, shown = run(team, command_line, entry)
    assert code == 0
    assert (
        shown.splitlines()[-1] == f"{name} read back as {SERVICE}-dev: equal. {entry} is as it was"
    )
    assert team.read(name) == value
    assert f"  {name}:\n    source: given\n" in team.file.read_text()
    after = team.file.read_text()
    code, shown = run(team, command_line, entry)
    assert (code, shown.splitlines()[-1]) == (0, "nothing to do")
    assert (team.file.read_text(), team.version(name)) == (after, 1)


def test_other_value_is_refused_and_replaced_after_asking(
    team: Team, command_line: CommandLine
) -> None:
    entry, name = "kv/two/a b%#the field", ("--name", "old-value")
    assert run(team, command_line, "kv/two/smtp#port", *name)[0] == 0
    for options in (name, (*name, "--dry-run")):
        code, shown = run(team, command_line, entry, *options)
        assert code == 1
        assert "old-value of gaara-store-dev has another value, version 1, and" in shown
    command_line.monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert run(team, command_line, entry, *name, "--replace")[0] == 1
    assert (team.read("old-value"), team.version("old-value")) == ("587", 1)
    code, shown = run(team, command_line, entry, *name, "--replace", "--yes", "--json")
    assert (code, json.loads(shown)) == (
        0,
        {
            "service": SERVICE,
            "environment": "dev",
            "from": entry,
            "name": "old-value",
            "declared": True,
            "state": "replaced",
            "note": "",
        },
    )
    assert (team.read("old-value"), team.version("old-value")) == (VALUE, 2)


@pytest.mark.parametrize(
    ("entry", "options", "message"),
    [
        ("smtp", (), "'smtp' is not the path of an entry"),
        ("kv//smtp", (), "'kv//smtp' is not the path of an entry"),
        ("kv/../smtp", (), "'kv/../smtp' is not the path of an entry"),
        ("kv/two/smtp#", (), "names no field (expected kv/two/smtp#field)"),
        ("kv/two/smtp", (), "has 4 fields (found hosts, port, tls, value); name one as"),
        ("kv/two/smtp#user", (), "has no field 'user' (found hosts, port, tls, value); name one"),
        ("kv/two/none#a", (), "has no field 'a' (found none); name one"),
        ("kv/two/odd#null", (), "kv/two/odd#null has no value"),
        ("kv/two/odd#empty", (), "kv/two/odd#empty has no value"),
        ("kv/two/odd#nul", (), "the value of nul holds a NUL character"),
        ("kv/two/odd#share", (), "has a number with a fraction or an exponent"),
        ("kv/two/absent", (), "the server has no entry kv/two/absent"),
        ("team-v1/absent", (), "the server has no entry team-v1/absent"),
        ("kv/two/data/smtp", (), "or without the data of an API path: kv/two/smtp"),
        ("kv/two/gone", (), "has an entry whose version is deleted: kv/two/gone"),
        ("transit/keys", (), "transit/ is a mount of transit, and not of KV"),
        ("nowhere/smtp", (), "this login may not read nowhere/smtp, or there is no such mount"),
        ("kv/two/a b%", (), "'a b%' makes no name of a secret; name one with --name"),
        ("kv/two/a b%", ("--name", "A"), "secret name 'A': use lower-case letters"),
        ("kv/two/gone", ("--name", "jwt-secret"), "is declared with another source than given"),
        ("kv/two/gone", ("--service", "orders"), "no service in dev 'orders'"),
    ],
)
def test_what_cannot_be_adopted_is_refused_and_nothing_changed(
    team: Team, command_line: CommandLine, entry: str, options: tuple[str, ...], message: str
) -> None:
    before = team.file.read_text(), team.operator.list(f"secret/metadata/{SERVICE}/dev")
    code, shown = run(team, command_line, entry, *options)
    assert code == 1
    assert message in shown
    assert (
        team.file.read_text(),
        team.operator.list(f"secret/metadata/{SERVICE}/dev"),
    ) == before


def test_entry_that_the_login_may_not_read_is_refused(team: Team) -> None:
    body = {"policies": ["default"], "ttl": "10m"}
    token = team.operator.post("auth/token/create", body)["auth"]["client_token"]
    with (
        Session(team.operator.address, StaticToken(Secret(token))) as session,
        pytest.raises(ConfigurationError, match="may not read team-v1/smtp-token"),
    ):
        kv_entry.read(session, EntryField.parse("team-v1/smtp-token"))


def test_killed_command_is_continued(team: Team, command_line: CommandLine) -> None:
    def killed(*_: object, **__: object) -> int:
        raise Killed

    entry = ("team-v1/smtp-token", "--name", "continued")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kv_copy, "write_value", killed)
        with pytest.raises(Killed):
            run(team, command_line, *entry)
    assert "  continued:" in team.file.read_text()
    assert run(team, command_line, *entry)[0] == 0
    assert team.read("continued") == VALUE
