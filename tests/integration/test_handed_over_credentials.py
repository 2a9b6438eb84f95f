"""Credentials that are handed over: issued for a service, wrapped, and opened once."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from agent.supervisor.agent_unit import issue_as_starter
from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.errors import AuthenticationFailed, Unreachable
from app_integration.mounts import Mounts
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from app_integration.settings import Auth, Settings, from_environment
from app_integration.transport.request import Request, RequestSender, Response
from local.processes import binaries
from policies.render import render_policies
from tests.support.polling import wait_until
from tests.support.processes.command import run_command
from tests.support.servers.audited_server import AuditedServer, audited_server
from vault.declare.load import load
from vault.reconcile import wrapped_secret_id
from vault.reconcile.credentials import ensure_credential, issue_credential, secret_id_endpoint
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan

pytestmark = pytest.mark.requires("embedded")

STAGING: Final = Environment("staging")
SHOP: Final = Scope("shop", STAGING)
MOUNTS: Final = Mounts("team/kv", "team/transit", "team/database", "team/roles")
UNWRAP: Final = "sys/wrapping/unwrap"
MONTH: Final = 30 * 24 * 3600
ISSUE: Final = ("--service", "shop", "--env", "staging")
HOUR: Final = 3600
AGENT: Final = {"render_interval": "5m"}
POD: Final = {"login": "kubernetes", "token_file": "/run/token"}
CI: Final = {"approle": None, "jwt": {"audience": "strongroom", "subject": "ci"}}


def environment(name: str, server: AuditedServer, **keys: object) -> dict[str, object]:
    """Return the content of an environment's file."""
    return {
        "environment": name,
        "owner": "platform-team",
        "deployment": f"team-{name}",
        "vault": {
            "address": server.address,
            "mounts": {key: getattr(MOUNTS, key) for key in Mounts.__slots__},
        },
        "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
        "agent": AGENT,
        "services": {"shop": {}, "worker": {}},
        **keys,
    }


@dataclass
class Site:
    """A server, the declaration of environments on it, and the commands of an operator."""

    server: AuditedServer
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Run ``strongroom``; return its exit code and all that it printed, on one line."""
        code = run_command(self.monkeypatch, *arguments)
        printed = self.capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    def issue(self, *options: str, service: str = "shop", env: str = "staging") -> tuple[int, str]:
        return self(
            *("issue-secret-id", "--service", service, "--env", env),
            *("--out", str(self.folder), *options),
        )

    def unwrap(self, role: str, folder: Path | None = None) -> tuple[int, str]:
        place = folder or self.folder / role
        return self("unwrap", str(place), "--env", "staging", "--role", role)

    def wrapped(self, role: str, wrap_ttl: int = HOUR) -> Path:
        """Issue a wrapped secret-id of *role*, and return its folder."""
        folder = self.folder / role
        issue_credential(self.server.root, role, folder, MOUNTS, wrap_ttl=wrap_ttl)
        return folder

    def requests(self) -> int:
        """Return how many lines the server's audit log has."""
        return (self.server.folder / "audit.log").read_bytes().count(b"\n")


@pytest.fixture(scope="module")
def declaration(
    server: AuditedServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Declare three environments, and apply staging."""
    folder = tmp_path_factory.mktemp("declaration")
    service: dict[str, Any] = {
        "owner": "shop-team",
        "description": "Sells things.",
        "secrets": {"token": {"source": "generated", "length": 48}},
    }
    config = {"template": "app.yaml.j2", "model": "shop:Config"}
    jwt = {"issuer": "https://ci.example.com", "jwks": "https://ci.example.com/keys"}
    cluster = {"host": "https://cluster.example.com:6443", "ca": "cluster.pem"}
    files: dict[str, object] = {
        "services/shop.yaml": {"service": "shop", **service, "config": config},
        "services/worker.yaml": {"service": "worker", **service},
        "environments/staging.yaml": environment("staging", server),
        "environments/ci.yaml": environment(
            "ci", server, auth={"jwt": jwt}, services={"worker": {"login": {"jwt": CI["jwt"]}}}
        ),
        "environments/pods.yaml": environment(
            "pods",
            server,
            agent={**AGENT, **POD},
            auth={"kubernetes": cluster},
            services={
                "shop": {
                    "login": {
                        "approle": {},
                        "kubernetes": {"namespaces": ["a"], "service_accounts": ["b"]},
                    }
                }
            },
        ),
        "environments/dev.yaml": environment("dev", server),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "templates/shop").mkdir(parents=True)
    (folder / "templates/shop/app.yaml.j2").write_text('token: {{ secret("token") }}\n')
    assert server.cacert is not None
    (folder / "environments/cluster.pem").write_bytes(server.cacert.read_bytes())
    loaded = load(folder, folder / "templates")
    resources = desired_resources(loaded, STAGING, render_policies(loaded, STAGING), Inputs())
    apply(server.root, build_plan(server.root, resources), lambda _: None)
    operator = tmp_path_factory.mktemp("operator")
    ensure_credential(server.root, "team-staging-apply", operator, MOUNTS)
    return folder, operator


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    with audited_server(tmp_path_factory.mktemp("server"), tls=True) as started:
        yield started


@pytest.fixture
def site(
    server: AuditedServer,
    declaration: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    folder, operator = declaration
    variables = {
        "STRONGROOM_DECLARATION": str(folder),
        "STRONGROOM_OPERATOR_ROLE_ID_FILE": str(operator / "role-id"),
        "STRONGROOM_OPERATOR_SECRET_ID_FILE": str(operator / "secret-id"),
        "VAULT_CACERT": str(server.cacert),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Site(server, tmp_path, monkeypatch, capsys)


def modes(folder: Path) -> dict[str, int]:
    """Return the mode of each file in *folder*."""
    return {file.name: file.stat().st_mode & 0o777 for file in sorted(folder.iterdir())}


def test_credential_of_the_operator_that_is_rejected_or_missing_is_named(
    site: Site, declaration: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = declaration[1] / "other-secret-id"
    other.write_text("2f3b1a9c-0000-4000-8000-4a5b6c7d8e9f")
    monkeypatch.setenv("STRONGROOM_OPERATOR_SECRET_ID_FILE", str(other))
    code, printed = site.issue()
    hint = f"of another server, expired or used up: check {declaration[1] / 'role-id'} and {other}"
    assert (code, hint in printed) == (1, True)
    other.unlink()
    code, printed = site.issue()
    missing = f"{other} (STRONGROOM_OPERATOR_SECRET_ID_FILE) cannot be read"
    assert (code, missing in printed) == (1, True)


def test_application_reads_a_secret_with_what_was_issued(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        code, printed = site.issue()
    folder = site.folder / "shop-staging"
    assert (code, modes(folder)) == (0, {"role-id": 0o600, "wrapped-secret-id": 0o600})
    assert "to be opened within 2m" in printed
    variables = "STRONGROOM_AUTH=approle-wrapped, STRONGROOM_AUTH_MOUNT=team/roles"
    token = (folder / "wrapped-secret-id").read_text()
    assert token not in printed + caplog.text
    found = re.search(r"reads them with (.*), the files in (\S+) and (\S+)\. It", printed)
    assert found is not None
    own = dict(each.split("=") for each in found[1].split(", "))
    assert own.items() >= dict(each.split("=") for each in variables.split(", ")).items()
    assert_reads_its_secret(
        site,
        {
            **own,
            found[2]: str(folder / "role-id"),
            found[3]: str(folder / "wrapped-secret-id"),
        },
    )
    assert modes(folder) == {"role-id": 0o600}


def assert_reads_its_secret(site: Site, variables: dict[str, str]) -> None:
    """Assert that an application with *variables* reads the secret of shop."""
    common = {
        "VAULT_ADDR": site.server.address,
        "VAULT_CACERT": str(site.server.cacert),
        "ENVIRONMENT": "staging",
        "STRONGROOM_SERVICE": "shop",
        "STRONGROOM_AUDIT_FILE": str(site.folder / "access.jsonl"),
    }
    stored = site.server.root.get("team/kv/data/shop/staging/token")["data"]["data"]["value"]
    with closing(Client(from_environment({**common, **variables}))) as client:
        assert client.secrets.get("token") == stored


def test_application_reads_a_secret_after_its_host_opened_the_credential(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    assert site.issue("--wrap-ttl", "1h")[0] == 0
    folder = site.folder / "shop-staging"
    token = (folder / "wrapped-secret-id").read_text()
    with caplog.at_level(logging.DEBUG):
        code, printed = site.unwrap("shop-staging")
    assert (code, modes(folder)) == (0, {"role-id": 0o600, "secret-id": 0o600})
    shown = printed + caplog.text
    assert (token in shown, (folder / "secret-id").read_text() in shown) == (False, False)
    files = {
        "STRONGROOM_ROLE_ID_FILE": str(folder / "role-id"),
        "STRONGROOM_SECRET_ID_FILE": str(folder / "secret-id"),
    }
    mounts = {"STRONGROOM_AUTH_MOUNT": "team/roles", "STRONGROOM_KV_MOUNT": "team/kv"}
    assert_reads_its_secret(site, {**files, **mounts})


@pytest.mark.parametrize("wrapped", [False, True])
def test_starter_of_an_agent_logs_in_with_what_was_issued(site: Site, wrapped: bool) -> None:
    options = ("--wrap-ttl", "1h") if wrapped else ()
    code, printed = site.issue("--for", "agent", *options)
    assert (code, "starter_secret_id_file" in printed) == (0, True)
    folder = site.folder / SHOP.starter
    if wrapped:
        assert site.unwrap(SHOP.starter)[0] == 0
    assert modes(folder) == {"role-id": 0o600, "secret-id": 0o600}
    secret_id = (folder / "secret-id").read_text()
    assert secret_id not in printed
    lookup = f"{secret_id_endpoint(SHOP.starter, MOUNTS)}/lookup"
    found = site.server.root.post(lookup, {"secret_id": secret_id})["data"]
    assert found["secret_id_ttl"] == MONTH
    starter = Settings(
        SHOP,
        site.server.address,
        vault_cacert=site.server.cacert,
        role_id_file=folder / "role-id",
        secret_id_file=folder / "secret-id",
        auth=Auth(mount=MOUNTS.approle),
    )
    (folder / wrapped_secret_id.FILE).write_text(issue_as_starter(starter, 120))
    endpoint = secret_id_endpoint(str(SHOP), MOUNTS)
    assert wrapped_secret_id.is_valid(site.server.root, folder, endpoint)


@pytest.mark.parametrize(
    ("service", "env", "receiver", "error"),
    [
        (
            "shop",
            "dev",
            "agent",
            "dev has a local server, which is bootstrapped when it starts; run strongroom up",
        ),
        ("worker", "ci", "application", "worker logs in by jwt in ci, so that it needs no stored"),
        ("shop", "pods", "agent", "the agent of shop logs in by kubernetes in pods, so that it"),
        ("worker", "staging", "agent", "worker has no config, so that it has no agent; pass"),
        ("worker", "pods", "application", "no service in pods 'worker' is declared"),
    ],
)
def test_receiver_that_needs_no_credential_is_refused_before_any_request(
    site: Site, service: str, env: str, receiver: str, error: str
) -> None:
    before = site.requests()
    code, printed = site.issue("--for", receiver, service=service, env=env)
    assert (code, site.requests()) == (1, before)
    assert error in printed
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("ttl", ["0s", "31d", "24", "soon"])
def test_wrap_ttl_that_is_no_duration_is_a_usage_error(site: Site, ttl: str) -> None:
    code, printed = site.issue("--wrap-ttl", ttl)
    assert code == 64
    assert "--wrap-ttl" in printed
    assert "a duration from 1s to 30d" in printed


@pytest.fixture
def reader(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the operator's variables name the credential of the plan role, and return its folder."""
    folder = tmp_path / "reader"
    issue_credential(site.server.root, "team-staging-plan", folder, MOUNTS)
    for name in ("role-id", "secret-id"):
        variable = f"STRONGROOM_OPERATOR_{name.upper().replace('-', '_')}_FILE"
        monkeypatch.setenv(variable, str(folder / name))
    return folder


@pytest.mark.parametrize("command", ["put", "apply"])
def test_denial_names_the_credential_that_the_command_needs(
    site: Site, reader: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a value"))
    arguments = ("token", *ISSUE) if command == "put" else ISSUE[2:]
    site.server.root.delete("sys/policies/acl/worker-staging")  # which apply would write
    code, printed = site(command, *arguments)
    assert (code, reader.is_dir()) == (1, True)
    assert "denied or absent; check the name, and that it was applied, or add" in printed
    files = "STRONGROOM_OPERATOR_ROLE_ID_FILE and STRONGROOM_OPERATOR_SECRET_ID_FILE"
    assert f"needs the credential of team-staging-apply; check that {files} names it" in printed


def test_denied_issue_leaves_no_folder(site: Site, reader: Path, tmp_path: Path) -> None:
    code, printed = site("issue-secret-id", *ISSUE, "--out", str(tmp_path / "new/folder"))
    assert (code, "denied or absent" in printed) == (1, True)
    assert [*tmp_path.iterdir()] == [reader]
    (tmp_path / "kept").mkdir()
    assert site("issue-secret-id", *ISSUE, "--out", str(tmp_path / "kept"))[0] == 1
    assert [*(tmp_path / "kept").iterdir()] == []


def test_token_of_another_server_may_be_one(site: Site) -> None:
    folder = site.wrapped("team-staging-plan")
    (folder / wrapped_secret_id.FILE).write_text("s.of-another-server")
    code, printed = site.unwrap("team-staging-plan")
    assert code == 1
    assert f"{site.server.address} does not know it. If it was issued on another server" in printed
    assert "destroy nothing. Otherwise, it was opened before" in printed


def test_second_opening_is_refused_and_says_what_to_do(site: Site) -> None:
    folder = site.wrapped("team-staging-plan")
    token = (folder / wrapped_secret_id.FILE).read_text()
    assert site.unwrap("team-staging-plan")[0] == 0
    (folder / wrapped_secret_id.FILE).write_text(token)
    code, printed = site.unwrap("team-staging-plan")
    assert code == 1
    assert "it was opened before, or it expired" in printed
    assert token not in printed
    assert_advice_holds(site, printed, folder)


def assert_advice_holds(site: Site, printed: str, folder: Path) -> None:
    """Run the commands that an error names: all secret-ids are destroyed, and another is opened."""
    listing, destroying, issuing = re.findall(r"'(bao [^']*)'", printed)
    accessors = json.loads(bao(site, listing.replace("bao list", "bao list -format=json"), folder))
    assert accessors
    for accessor in accessors:
        bao(site, destroying.replace("…", accessor), folder)
    assert site.server.root.list(listing.split()[-1]) == []
    bao(site, issuing, folder)
    assert site.unwrap("team-staging-plan")[0] == 0
    assert len(site.server.root.list(listing.split()[-1])) == 1


def bao(site: Site, command: str, folder: Path) -> str:
    """Run a command of the server's own program as an administrator, in *folder*."""
    program = command.replace("bao ", f"{binaries.openbao_path()} ", 1)
    variables = {
        "VAULT_ADDR": site.server.address,
        "VAULT_CACERT": str(site.server.cacert),
        "VAULT_TOKEN": "root",
        "HOME": str(folder),
    }
    done = subprocess.run(  # noqa: S602 (a command of ours, with a redirection)
        program, shell=True, cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(
    "path",
    [
        secret_id_endpoint("worker-staging", MOUNTS),
        "auth/approle/role/team-staging-plan/secret-id",
        "sys/wrapping/wrap",
    ],
    ids=["another role", "another mount", "a thief"],
)
def test_wrapping_token_of_another_endpoint_is_refused_and_not_opened(
    site: Site, path: str
) -> None:
    folder = site.wrapped("team-staging-plan")
    site.server.root.post("auth/approle/role/team-staging-plan", {})
    token = site.server.root.post(path, {}, wrap_ttl=HOUR)["wrap_info"]["token"]
    (folder / wrapped_secret_id.FILE).write_text(token)
    before = site.server.count(UNWRAP)
    code, printed = site.unwrap("team-staging-plan")
    assert (code, site.server.count(UNWRAP)) == (1, before)
    assert (
        f"it was created at '{path}' and not at auth/team/roles/role/team-staging-plan" in printed
    )
    assert modes(folder).keys() == {"role-id", "wrapped-secret-id"}
    assert site.server.root.post("sys/wrapping/lookup", {"token": token})["data"]


def test_expired_wrapping_token_is_refused(site: Site) -> None:
    folder = site.wrapped("team-staging-plan", wrap_ttl=1)
    endpoint = secret_id_endpoint("team-staging-plan", MOUNTS)
    wait_until(
        lambda: not wrapped_secret_id.is_valid(site.server.root, folder, endpoint),
        "the end of the wrapping token",
    )
    code, printed = site.unwrap("team-staging-plan")
    assert (code, [*modes(folder)]) == (1, ["role-id", "wrapped-secret-id"])
    assert "it was opened before, or it expired. If that was not you, another client" in printed


@pytest.mark.parametrize(
    ("role", "error"),
    [
        ("team-staging-paln", "no role 'team-staging-paln' is declared (expected shop-staging,"),
        ("worker-staging", "wrapped-secret-id does not exist: it was opened before, or was not"),
    ],
)
def test_wrong_role_or_folder_is_an_error_without_a_request(
    site: Site, role: str, error: str
) -> None:
    before = site.requests()
    code, printed = site.unwrap(role)
    assert (code, site.requests()) == (1, before)
    assert error in printed


class Interrupting(RequestSender):
    """A sender that raises an error after, or in place of, an unwrapping."""

    def __init__(self, sender: RequestSender, error: BaseException, *, sends: bool) -> None:
        self._sender = sender
        self._error = error
        self._sends = sends

    def exchange(self, request: Request, **options: Any) -> Response:
        if request.path == UNWRAP and not self._sends:
            raise self._error
        response = self._sender.exchange(request, **options)
        if request.path == UNWRAP:
            raise self._error
        return response

    def close(self) -> None:
        self._sender.close()


class Killed(BaseException):
    """The end of the process, in place of a signal."""


def open_interrupted(site: Site, folder: Path, error: BaseException, *, sends: bool = True) -> None:
    """Open the wrapped secret-id in *folder*, with *error* at the unwrapping."""
    endpoint = secret_id_endpoint("team-staging-plan", MOUNTS)
    token = wrapped_secret_id.read(folder, endpoint)
    with Session(
        site.server.address,
        StaticToken(token),
        cacert=site.server.cacert,
        wrap_sender=lambda sender: Interrupting(sender, error, sends=sends),
    ) as session:
        wrapped_secret_id.open_file(session, token, folder, endpoint)


def test_opening_that_is_killed_leaves_nothing_and_the_next_one_says_that_it_is_lost(
    site: Site,
) -> None:
    folder = site.wrapped("team-staging-plan")
    with pytest.raises(Killed):
        open_interrupted(site, folder, Killed())
    assert modes(folder).keys() == {"role-id"}
    code, printed = site.unwrap("team-staging-plan")
    assert code == 1
    assert "If its opening was interrupted, the secret-id is lost; issue another: 'bao" in printed


@pytest.mark.parametrize(
    ("error", "reason"),
    [(KeyboardInterrupt(), "interrupted"), (Unreachable("the connection broke"), "broke")],
)
def test_opening_whose_response_is_lost_says_so(
    site: Site, error: BaseException, reason: str
) -> None:
    folder = site.wrapped("team-staging-plan")
    with pytest.raises(AuthenticationFailed, match=rf"is lost \(.*{reason}\); issue another"):
        open_interrupted(site, folder, error)
    assert modes(folder).keys() == {"role-id"}


def test_opened_secret_id_that_cannot_be_written_is_said_to_be_lost(site: Site) -> None:
    folder = site.wrapped("team-staging-plan")
    (folder / "secret-id").mkdir()
    code, printed = site.unwrap("team-staging-plan")
    assert code == 1
    assert "was opened, but is lost (" in printed


def test_opening_without_a_connection_keeps_the_file(site: Site) -> None:
    folder = site.wrapped("team-staging-plan")
    with pytest.raises(Unreachable):
        open_interrupted(site, folder, Unreachable("no", not_sent=True), sends=False)
    assert modes(folder) == {"role-id": 0o600, "wrapped-secret-id": 0o600}
    assert site.unwrap("team-staging-plan")[0] == 0
