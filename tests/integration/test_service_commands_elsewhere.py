"""Commands ``strongroom run`` and ``strongroom get`` where no local deployment has the secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.aws import from_settings
from app_integration.names import Environment, Scope
from app_integration.testing.ports import free_ports
from local.ports import Ports, setting
from policies.render import render_policies
from tests.support.models.aws_declared import ACCOUNT, ENVIRONMENT, declare_on_aws
from tests.support.processes.command import run_command
from tests.support.processes.terminal import open_terminal
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.moto_server import MotoServer, set_identity
from vault.declare.load import load
from vault.reconcile.credentials import ensure_credential
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
SHOP: Final = Scope("shop", Environment("qa"))
TOKEN: Final = "tok_of-the-carrier"
GET: Final = ("get", "carrier-token", "--env", "qa")
SHOW: Final = "import json, os; print(json.dumps(dict(os.environ)))"
SERVICE: Final[dict[str, Any]] = {
    "service": "shop",
    "owner": "shop-team",
    "description": "Sells things.",
    "secrets": {"carrier-token": {"source": "given"}},
}


@dataclass
class Shell:
    """A shell in which the declaration is that of a folder."""

    folder: Path
    variables: dict[str, str]

    def _variables(self, more: dict[str, str]) -> dict[str, str]:
        own = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TERM": "dumb"}
        return {**own, "STRONGROOM_DECLARATION": str(self.folder), **self.variables, **more}

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            cwd=ROOT,
            env=self._variables(more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, " ".join(done.stderr.split())

    def shown(self, *arguments: str, **more: str) -> tuple[int | None, str]:
        command = [sys.executable, "-m", "console", *arguments]
        with open_terminal(command, env=self._variables(more), cwd=ROOT) as terminal:
            text = terminal.finish()
        return terminal.process.returncode, text


@dataclass
class Site:
    """A server with one service, and a shell."""

    server: AuditedServer
    shell: Shell

    def credential(self) -> dict[str, str]:
        folder = self.shell.folder / str(SHOP)
        return {
            "STRONGROOM_ROLE_ID_FILE": str(folder / "role-id"),
            "STRONGROOM_SECRET_ID_FILE": str(folder / "secret-id"),
        }

    def log_in(self, policy: str) -> None:
        """Store the token of a person with a policy, as ``bao login`` does."""
        body = {"policies": [policy], "display_name": "oidc-ada"}
        token = self.server.root.post("auth/token/create", body)["auth"]["client_token"]
        file = self.shell.folder / ".vault-token"
        file.touch(0o600)
        file.write_text(token)


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("repository")
    for name in ("services", "environments"):
        (folder / name).mkdir()
    with audited_server(tmp_path_factory.mktemp("server"), tls=True) as server:
        environment = {
            "environment": SHOP.environment,
            "owner": "platform-team",
            "vault": {"address": server.address},
            "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
            "agent": {"render_interval": "5m"},
            "services": {"shop": {}},
        }
        (folder / "services/shop.yaml").write_text(json.dumps(SERVICE))
        (folder / "environments/qa.yaml").write_text(json.dumps(environment))
        declared = load(folder, folder)
        policies = render_policies(declared, SHOP.environment)
        resources = desired_resources(declared, SHOP.environment, policies, Inputs())
        apply(server.root, build_plan(server.root, resources), lambda _: None)
        path = f"secret/data/{SHOP.secret('carrier-token')}"
        server.root.post(path, {"data": {"value": TOKEN}})
        ensure_credential(server.root, str(SHOP), folder / str(SHOP))
        audit = str(folder / "access.jsonl")
        variables = {"VAULT_CACERT": str(server.cacert), "STRONGROOM_AUDIT_FILE": audit}
        yield Site(server, Shell(folder, variables))


@pytest.fixture
def site(module_site: Site) -> Site:
    """Return the site, where no person has logged in."""
    (module_site.shell.folder / ".vault-token").unlink(missing_ok=True)
    return module_site


def test_value_outside_dev_needs_an_option(site: Site) -> None:
    code, text = site.shell.shown(*GET, **site.credential())
    assert code == 1
    expected = "error: qa is not dev; to show the value of carrier-token on this terminal, pass"
    assert text.startswith(expected)
    assert TOKEN not in text
    assert site.shell.shown(*GET, "--reveal", **site.credential()) == (0, f"{TOKEN}\n")


def test_program_gets_the_secrets_of_another_environment(site: Site) -> None:
    command = ("run", "--env", "qa", "--", sys.executable, "-c", SHOW)
    code, output, errors = site.shell.run(*command, **site.credential())
    assert (code, errors) == (0, "")
    given = json.loads(output)
    assert given["CARRIER_TOKEN"] == TOKEN
    assert not [each for each in given if each.startswith(("STRONGROOM_", "VAULT_"))]


def test_token_of_a_person_is_the_login_where_no_other_is_named(site: Site) -> None:
    code, text = site.shell.shown(*GET, "--reveal")
    assert code == 1
    assert "STRONGROOM_ROLE_ID_FILE" in text
    site.log_in(str(SHOP))
    assert site.shell.shown(*GET, "--reveal") == (0, f"{TOKEN}\n")
    line = (site.shell.folder / "access.jsonl").read_text().splitlines()[-1]
    shown = json.loads(line)
    assert (shown["operation"], shown["environment"], shown["outcome"]) == ("get", "qa", "shown")


@pytest.mark.parametrize("policy", ["root", "strongroom-apply"])
def test_token_of_an_operator_is_refused(site: Site, policy: str) -> None:
    site.log_in(policy)
    code, text = site.shell.shown(*GET, "--reveal")
    assert code == 1
    assert f"the credential has the policy {policy}, and this command does not use it" in text
    assert TOKEN not in text


def test_person_without_the_right_is_denied(site: Site) -> None:
    site.log_in("default")
    code, text = site.shell.shown(*GET, "--reveal")
    assert code == 1
    assert "denied or absent" in text


def test_value_on_aws(
    moto: MotoServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Show a value in an environment, where a connection to moto would be refused."""
    declare_on_aws(tmp_path)
    set_identity(monkeypatch)
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("STRONGROOM_DECLARATION", str(tmp_path))
    monkeypatch.setattr(from_settings, "open_connection", lambda _: moto.connection())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with put_secret(moto, "shop/cloud/password", "on AWS"):
        assert run_command(monkeypatch, "get", "password", "--env", "cloud", "--reveal") == 0
        assert capsys.readouterr().out == "on AWS\n"
        file = tmp_path / "environments/cloud.yaml"
        file.write_text(file.read_text().replace(ACCOUNT.id, "999999999999"))
        assert run_command(monkeypatch, "get", "password", "--env", "cloud", "--reveal") == 1
        shown = capsys.readouterr()
    assert shown.out == ""
    assert "999999999999" in shown.err


@contextmanager
def put_secret(moto: MotoServer, name: str, value: str) -> Iterator[None]:
    secrets = moto.client("secretsmanager")
    secrets.create_secret(Name=name, SecretString=value)
    try:
        yield
    finally:
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def test_commands_on_a_local_deployment_on_aws(tmp_path: Path) -> None:
    declare_on_aws(tmp_path)
    dev = {**ENVIRONMENT, "environment": "dev"}
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(dev))
    pairs = zip(Ports().by_name(), free_ports(7), strict=True)
    shell = Shell(tmp_path, {setting(name): str(port) for name, port in pairs})
    root = ("--root", str(tmp_path / ".strongroom"))
    try:
        code, _, errors = shell.run("up", *root)
        assert code == 0, errors
        command = ("run", *root, "--", sys.executable, "-c", SHOW)
        code, output, errors = shell.run(*command)
        assert code == 0, errors
        variables = json.loads(output)
        assert variables.keys() >= {"PASSWORD", "SMTP_PASSWORD", "SMTP_URL"}
        assert not [each for each in variables if each.startswith("AWS_")]
        expected = (0, f"{variables['PASSWORD']}\n")
        assert shell.shown("get", "password", *root) == expected
        assert shell.run("down", *root)[0] == 0
        code, _, errors = shell.run(*command)
        assert code == 1
        assert f"{root[1]} does not answer; start it with strongroom up" in errors
    finally:
        assert shell.run("reset", "--yes", *root)[0] == 0
