"""Bootstrap of a real server: what it leaves, what it refuses, and kills after each request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app_integration.auth.methods import AppRole, AuthMethod, StaticToken
from app_integration.errors import (
    AccessDenied,
    ConfigurationError,
    CredentialStolen,
    RequestRefused,
)
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.transport.request import Request, RequestSender, Response
from policies.render import render_policies, scoped_apply_policy
from tests.support.polling import wait_until
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.kv_mount import create_kv_mount
from tests.support.servers.local_server import Server, serve
from tests.support.servers.server_program import openbao_only
from vault.bootstrap.bootstrap import Bootstrap
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.reconcile import wrapped_secret_id
from vault.reconcile.credentials import CREDENTIALS, issue_credential, secret_id_endpoint
from vault.reconcile.desired.desired import apply_role_resources, desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import Plan

pytestmark = pytest.mark.requires("embedded")

PROD = Environment("prod")
EVERYTHING = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
JOBS = ("apply", "auditor", "plan", "rotator")
HOUR = 3600
SERVICE = {
    "owner": "shop-team",
    "description": "Sells things.",
    "secrets": {"token": {"source": "generated", "length": 48}},
    "keys": {"pii": {"allow": ["encrypt", "decrypt"]}},
}


class Killed(BaseException):
    """The end of the process, in place of a signal."""


@dataclass
class Kill:
    """A kill after a number of requests that write; no request is sent any more then."""

    after: int
    sent: int = 0
    last: str = ""

    def __call__(self, sender: RequestSender) -> RequestSender:
        return KillableSender(sender, self)


class KillableSender(RequestSender):
    def __init__(self, sender: RequestSender, kill: Kill) -> None:
        self._sender = sender
        self._kill = kill

    def exchange(self, request: Request, **options: Any) -> Response:
        if self._kill.sent >= self._kill.after:
            raise Killed
        response = self._sender.exchange(request, **options)
        self._kill.sent += request.method == "POST"
        if request.path == self._kill.last:
            self._kill.sent = self._kill.after
        if self._kill.sent >= self._kill.after:
            raise Killed
        return response

    def close(self) -> None:
        self._sender.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    with audited_server(tmp_path_factory.mktemp("server"), tls=True) as started:
        yield started


@dataclass
class Staging:
    """A deployment with mounts of its own on *server*."""

    server: AuditedServer
    folder: Path
    name: str
    scoped: bool = False
    namespace: str = ""
    wrap_ttl: int | None = None

    @property
    def service(self) -> str:
        """Return the name of its service: policies have no mount, so it occurs once."""
        return f"shop-{self.name}"

    def declare(self) -> Declaration:
        """Write the declaration as files, and load it."""
        for part in ("services", "environments"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        paths = {"kv": "kv", "transit": "transit", "database": "database", "approle": "roles"}
        environment = {
            "environment": "prod",
            "owner": "platform-team",
            "deployment": self.name,
            "vault": {
                "address": self.server.address,
                "mounts": {key: f"{self.name}/{path}" for key, path in paths.items()},
                "apply_role": "scoped" if self.scoped else "root",
            },
            "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
            "agent": {"render_interval": "5m"},
            "services": {self.service: {}},
        }
        # JSON is YAML.
        service = {**SERVICE, "service": self.service}
        (self.folder / "services" / f"{self.service}.yaml").write_text(json.dumps(service))
        (self.folder / "environments/prod.yaml").write_text(json.dumps(environment))
        return load(self.folder, self.folder)

    def bootstrap(self, wrap: Callable[[RequestSender], RequestSender] | None = None) -> Bootstrap:
        """Return the bootstrap, whose requests go through *wrap*."""
        declared = self.declare()
        policies = render_policies(declared, PROD)
        environment = declared.environment(PROD)
        resources = desired_resources(declared, PROD, policies, Inputs())
        scoped = scoped_apply_policy(declared, PROD) if self.scoped else None

        def open_session(login: AuthMethod) -> Session:
            return Session(
                self.server.address,
                login,
                cacert=self.server.cacert,
                namespace=self.namespace,
                mounts=environment.mounts,
                wrap_sender=wrap,
            )

        return Bootstrap(
            environment,
            apply_role_resources(environment, resources, scoped),
            self.folder / "out",
            open_session,
            lambda operator: apply(operator, self.plan(operator), lambda _: None),
            lambda _: nullcontext(),
            self.wrap_ttl,
        )

    def plan(self, session: Session) -> Plan:
        declared = self.declare()
        policies = render_policies(declared, PROD)
        return build_plan(session, desired_resources(declared, PROD, policies, Inputs()))

    def session(self, job: str) -> Session:
        """Return a session with the credential that was handed over for *job*."""
        folder = self.credential(job)
        login = AppRole(folder / "role-id", folder / "secret-id", f"{self.name}/roles")
        return self.open_session(login)

    def open_session(self, login: AuthMethod) -> Session:
        return Session(
            self.server.address, login, cacert=self.server.cacert, namespace=self.namespace
        )

    def credential(self, job: str) -> Path:
        """Return the folder of the credential of *job*."""
        return self.folder / "out" / job / "prod"

    def open_wrapped(self, job: str) -> None:
        """Open the wrapped secret-id of *job*, as its receiver does."""
        folder, endpoint = self.credential(job), self.endpoint(job)
        token = wrapped_secret_id.read(folder, endpoint)
        with self.open_session(StaticToken(token)) as session:
            wrapped_secret_id.open_file(session, token, folder, endpoint)

    def endpoint(self, job: str) -> str:
        """Return the API path that issues secret-ids of *job*."""
        return f"auth/{self.name}/roles/role/{self.name}-{job}/secret-id"

    def wrapped(self) -> dict[str, str]:
        """Return the wrapping tokens that were handed over, by job."""
        files = (self.folder / "out").rglob(wrapped_secret_id.FILE)
        return {file.parts[-3]: file.read_text() for file in files}


def new_token(server: AuditedServer, **options: Any) -> tuple[Secret, str]:
    """Return a new token and its accessor."""
    body = {"policies": ["root"], "no_parent": True, **options}
    auth = server.root.post("auth/token/create", body)["auth"]
    return Secret(auth["client_token"]), auth["accessor"]


def kill(staging: Staging, after: int, token: Secret) -> None:
    """Run the bootstrap until it is killed after a number of requests that write."""
    with pytest.raises(Killed):
        staging.bootstrap(Kill(after)).run(token)


def is_alive(server: AuditedServer, accessor: str) -> bool:
    try:
        server.root.post("auth/token/lookup-accessor", {"accessor": accessor})
    except RequestRefused:
        return False
    return True


def assert_is_bootstrapped(staging: Staging, accessors: Mapping[str, bool]) -> None:
    """Assert an empty plan, a credential for each job, and tokens that live as *accessors* say."""
    with staging.session("plan") as planner:
        assert staging.plan(planner).changes == ()
    for job in JOBS:
        with staging.session(job) as session:
            found = session.get("auth/token/lookup-self")["data"]
            assert found["policies"] == [f"{staging.name}-{job}"]
    assert {each: is_alive(staging.server, each) for each in accessors} == dict(accessors)
    out = staging.folder / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        CREDENTIALS.mark,
        *JOBS[:2],
        "bootstrap",
        *JOBS[2:],
    ]
    assert list((out / "bootstrap").iterdir()) == []
    modes = {path.stat().st_mode & 0o777 for path in out.rglob("*-id")}
    assert modes == {0o600}


@pytest.mark.parametrize("scoped", [False, True])
def test_root_token_leads_to_an_empty_plan_and_is_dead(
    server: AuditedServer, tmp_path: Path, scoped: bool
) -> None:
    staging = Staging(server, tmp_path, f"first-{'scoped' if scoped else 'full'}", scoped)
    token, accessor = new_token(server)
    result = staging.bootstrap().run(token)
    assert result.alive is None
    assert result.unproven == (accessor if scoped else None)
    assert_is_bootstrapped(staging, {accessor: False})
    again, other = new_token(server)
    assert staging.bootstrap().run(again).folders == result.folders
    assert_is_bootstrapped(staging, {accessor: False, other: False})


def test_token_of_another_policy_lives_on_and_its_accessor_is_named(
    server: AuditedServer, tmp_path: Path
) -> None:
    server.root.post("sys/policies/acl/admin", {"policy": EVERYTHING})
    token, accessor = new_token(server, policies=["admin"])
    staging = Staging(server, tmp_path, "by-admin")
    steps: list[str] = []

    def show(step: str) -> AbstractContextManager[None]:
        steps.append(step)
        return nullcontext()

    assert replace(staging.bootstrap(), step=show).run(token).alive == accessor
    assert_is_bootstrapped(staging, {accessor: True})
    assert len(steps) == 3
    assert "revoked" not in str(steps)
    root, _ = new_token(server)
    assert replace(staging.bootstrap(), step=show).run(root).alive is None
    assert steps[-1] == "root token revoked, and looked up by its accessor"


@openbao_only
def test_namespace_is_bootstrapped_with_audit_devices_that_are_elsewhere(
    server: AuditedServer, tmp_path: Path
) -> None:
    server.root.post("sys/namespaces/team", {})
    staging = Staging(server, tmp_path, "in-namespace", namespace="team")
    token, accessor = new_token(server)
    with pytest.raises(ConfigurationError, match="pass --audit-elsewhere"):
        staging.bootstrap().run(token)
    staging.bootstrap().run(token, audit_elsewhere=True)
    assert_is_bootstrapped(staging, {accessor: False})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"type": "batch", "ttl": "1h"}, "is a batch token"),
        ({"num_uses": 100}, "has a limited number of uses"),
        ({"ttl": "30s"}, "expires in"),
    ],
)
def test_token_that_could_not_be_revoked_or_expires_is_refused(
    server: AuditedServer, tmp_path: Path, options: dict[str, Any], error: str
) -> None:
    token, _ = new_token(server, policies=["root"] if "type" not in options else ["x"], **options)
    before = server.root.get("sys/mounts")["data"]
    with pytest.raises(ConfigurationError, match=error) as caught:
        Staging(server, tmp_path, "refused").bootstrap().run(token)
    assert token.reveal() not in str(caught.value)
    assert server.root.get("sys/mounts")["data"] == before
    assert not (tmp_path / "out").exists()


def test_dead_token_without_a_journal_is_refused(server: AuditedServer, tmp_path: Path) -> None:
    token, accessor = new_token(server)
    server.root.post("auth/token/revoke-accessor", {"accessor": accessor})
    with pytest.raises(ConfigurationError, match="does not accept the token you passed"):
        Staging(server, tmp_path, "dead").bootstrap().run(token)


@pytest.mark.parametrize(
    ("stride", "wrap_ttl"),
    [
        (9, None),
        (20, HOUR),
        pytest.param(1, None, marks=pytest.mark.nightly),
        pytest.param(1, HOUR, marks=pytest.mark.nightly),
    ],
)
def test_run_that_was_killed_anywhere_is_ended_by_the_next(
    server: AuditedServer, tmp_path: Path, stride: int, wrap_ttl: int | None
) -> None:
    whole, name = Kill(10**6), f"{stride}-{'wrapped' if wrap_ttl else 'plain'}"
    token, accessor = new_token(server)
    Staging(server, tmp_path / "whole", f"whole-{name}", wrap_ttl=wrap_ttl).bootstrap(whole).run(
        token
    )
    assert whole.sent > 40
    # The last one revokes the token of the apply role, when all has ended.
    for after in range(whole.sent - 1, 0, -stride):
        staging = Staging(
            server, tmp_path / str(after), f"killed-{after}-{name}", wrap_ttl=wrap_ttl
        )
        token, accessor = new_token(server)
        kill(staging, after, token)
        written = staging.wrapped()
        staging.bootstrap().run(token)
        wrapped = staging.wrapped()
        assert written.items() <= wrapped.items()
        assert sorted(wrapped) == (sorted(JOBS) if wrap_ttl else [])
        for job in wrapped:
            staging.open_wrapped(job)
        assert_is_bootstrapped(staging, {accessor: False})


@pytest.mark.parametrize(
    ("name", "scoped", "namespace"),
    [("wrap-scoped", True, ""), ("wrap-inside", False, "wrapping")],
)
def test_wrapped_credential_is_opened_once(
    server: AuditedServer, tmp_path: Path, name: str, scoped: bool, namespace: str
) -> None:
    if namespace:
        server.root.post(f"sys/namespaces/{namespace}", {})
    staging = Staging(server, tmp_path, name, scoped, namespace, HOUR)
    token, accessor = new_token(server)
    staging.bootstrap().run(token, audit_elsewhere=bool(namespace))
    before = staging.wrapped()
    assert sorted(before) == sorted(JOBS)
    for job in JOBS:
        files = {
            file.name: file.stat().st_mode & 0o777 for file in staging.credential(job).iterdir()
        }
        assert files == {"role-id": 0o600, "wrapped-secret-id": 0o600}
        staging.open_wrapped(job)
    assert_is_bootstrapped(staging, {accessor: False})
    assert staging.wrapped() == {}
    (staging.credential("plan") / "wrapped-secret-id").write_text(before["plan"])
    with pytest.raises(CredentialStolen, match="opened before, or it expired"):
        staging.open_wrapped("plan")


def test_scoped_apply_role_issues_credentials_of_a_service_and_its_starter(
    server: AuditedServer, tmp_path: Path
) -> None:
    staging = Staging(server, tmp_path, "issuing", scoped=True)
    staging.bootstrap().run(new_token(server)[0])
    mounts = staging.declare().environment(PROD).mounts
    with staging.session("apply") as operator:
        for role in (f"{staging.service}-prod", f"{staging.service}-prod-starter"):
            folder = tmp_path / role
            issue_credential(operator, role, folder, mounts, ttl=HOUR)
            login = AppRole(folder / "role-id", folder / "secret-id", mounts.approle)
            with staging.open_session(login) as session:
                assert session.get("auth/token/lookup-self")["data"]["policies"] == [role]
            issue_credential(operator, role, folder, mounts, ttl=HOUR, wrap_ttl=HOUR)
            endpoint = secret_id_endpoint(role, mounts)
            assert wrapped_secret_id.is_valid(operator, folder, endpoint)


def test_wrapped_secret_id_that_expired_is_issued_again_and_the_others_stay(
    server: AuditedServer, tmp_path: Path
) -> None:
    staging = Staging(server, tmp_path, "expired", wrap_ttl=HOUR)
    staging.bootstrap().run(new_token(server)[0])
    folder, endpoint = staging.credential("plan"), staging.endpoint("plan")
    short = server.root.post(endpoint, {}, wrap_ttl=1)["wrap_info"]["token"]
    (folder / "wrapped-secret-id").write_text(short)
    before = staging.wrapped()
    wait_until(
        lambda: not wrapped_secret_id.is_valid(server.root, folder, endpoint),
        "the end of the wrapping token",
    )
    result = staging.bootstrap().run(new_token(server)[0])
    assert result.reissued == ("expired-plan",)
    after = staging.wrapped()
    assert {job for job in JOBS if after[job] != before[job]} == {"plan"}
    staging.open_wrapped("plan")
    # What was opened stays, too.
    assert staging.bootstrap().run(new_token(server)[0]).reissued == ()
    assert staging.wrapped().keys() == {*JOBS} - {"plan"}


def test_killed_run_whose_logins_have_ended_goes_on_when_that_of_apply_is_opened(
    server: AuditedServer, tmp_path: Path
) -> None:
    staging = Staging(server, tmp_path, "late", wrap_ttl=HOUR)
    token, accessor = new_token(server)
    with pytest.raises(Killed):
        staging.bootstrap(Kill(10**6, last="auth/token/revoke-accessor")).run(token)
    assert not is_alive(server, accessor)
    own = tmp_path / "out/bootstrap/prod/secret-id"
    path = f"{staging.endpoint('apply')}/destroy"
    server.root.post(path, {"secret_id": own.read_text()})  # as after its 15 minutes
    with pytest.raises(ConfigurationError, match=r"open .*/wrapped-secret-id and run this again"):
        staging.bootstrap().run(token)
    for job in JOBS:
        staging.open_wrapped(job)
    staging.bootstrap().run(token)
    assert_is_bootstrapped(staging, {accessor: False})


@pytest.mark.parametrize("scoped", [False, True])
def test_killed_run_is_ended_with_another_token_and_both_are_dead(
    server: AuditedServer, tmp_path: Path, scoped: bool
) -> None:
    staging = Staging(server, tmp_path, f"another-{'scoped' if scoped else 'full'}", scoped)
    token, first = new_token(server)
    kill(staging, 8, token)
    assert is_alive(server, first)
    other, second = new_token(server)
    staging.bootstrap().run(other)
    assert_is_bootstrapped(staging, {first: False, second: False})


def test_killed_scoped_run_is_ended_by_an_administrator_whose_token_lives_on(
    server: AuditedServer, tmp_path: Path
) -> None:
    staging = Staging(server, tmp_path, "ended-by-admin", scoped=True)
    token, first = new_token(server)
    kill(staging, 8, token)
    server.root.post("sys/policies/acl/admin", {"policy": EVERYTHING})
    other, second = new_token(server, policies=["admin"])
    result = staging.bootstrap().run(other)
    assert (result.alive, result.unproven) == (second, None)
    assert_is_bootstrapped(staging, {first: False, second: True})


def test_killed_scoped_run_is_not_ended_by_a_token_that_the_server_rejects(
    server: AuditedServer, tmp_path: Path
) -> None:
    staging = Staging(server, tmp_path, "mistyped", scoped=True)
    token, accessor = new_token(server)
    kill(staging, 14, token)
    with pytest.raises(
        ConfigurationError, match=f"accessors {accessor}; run this again with a new"
    ):
        staging.bootstrap().run(Secret("mistyped"))
    assert is_alive(server, accessor)
    other, second = new_token(server)
    staging.bootstrap().run(other)
    assert_is_bootstrapped(staging, {accessor: False, second: False})


def test_scoped_bootstrap_leaves_the_mounts_of_the_platform_team(
    server: AuditedServer, tmp_path: Path
) -> None:
    staging = Staging(server, tmp_path, "given-mounts", scoped=True)
    create_kv_mount(server.root, "given-mounts/kv", description="ours")
    server.root.post("given-mounts/kv/config", {"max_versions": 50})
    token, _ = new_token(server)
    staging.bootstrap().run(token)
    assert server.root.get("given-mounts/kv/config")["data"]["max_versions"] == 50
    mounts = server.root.get("sys/mounts")["data"]
    assert mounts["given-mounts/kv/"]["description"] == "ours"


@pytest.fixture
def sealed_server() -> Iterator[Server]:
    status = {"sealed": True, "initialized": True}
    with serve(Server(content=json.dumps(status).encode())) as started:
        yield started


def test_sealed_server_is_refused(
    server: AuditedServer, sealed_server: Server, tmp_path: Path
) -> None:
    elsewhere = Session(sealed_server.address, StaticToken(Secret("a-token")))
    bootstrap = replace(
        Staging(server, tmp_path, "sealed").bootstrap(), open_session=lambda _: elsewhere
    )
    with pytest.raises(ConfigurationError, match="unseal it, then run this again"):
        bootstrap.run(Secret("a-token"))
    assert not (tmp_path / "out").exists()


def test_journal_of_another_server_is_refused(server: AuditedServer, tmp_path: Path) -> None:
    staging = Staging(server, tmp_path, "moved")
    token, accessor = new_token(server)
    kill(staging, 8, token)
    journal = tmp_path / "out/bootstrap/prod/journal.json"
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "cluster": "other"}))
    with pytest.raises(ConfigurationError, match="is about another server"):
        staging.bootstrap().run(token)
    assert is_alive(server, accessor)


def test_server_without_an_audit_device_is_refused(server: AuditedServer, tmp_path: Path) -> None:
    """Read the devices with a token that may not, as in a namespace: the message is the same."""
    rule = 'path "auth/token/lookup-self" { capabilities = ["read"] }'
    server.root.post("sys/policies/acl/blind", {"policy": rule})
    token, _ = new_token(server, policies=["blind"])
    staging = Staging(server, tmp_path, "blind")
    with pytest.raises(ConfigurationError, match="pass --audit-elsewhere"):
        staging.bootstrap().run(token)
    with pytest.raises(AccessDenied):
        staging.bootstrap().run(token, audit_elsewhere=True)
