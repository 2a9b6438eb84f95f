"""A standby answers reads from its own copy of the storage, and passes writes to the leader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from app_integration.auth.methods import AppRole, StaticToken
from app_integration.errors import AuthenticationFailed, RequestRefused, ServerError
from app_integration.session.session import Session
from console.commands.audit import devices
from tests.support.polling import wait_until
from tests.support.processes.command import run_command
from tests.support.servers.issuer import Signer, public
from tests.support.servers.kv_mount import create_kv_mount
from tests.support.servers.raft_cluster import Cluster, raft_cluster
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.source import Source
from vault.audit.store import open_store

pytestmark = pytest.mark.requires("embedded")

SECRET = "kv/data/x"
ROLE = "auth/approle/role/shop"
LOGINS = 5


@dataclass(frozen=True)
class Standby:
    """A node of a cluster that is not the leader."""

    cluster: Cluster
    address: str
    folder: Path

    def request(self, method: str, path: str, body: object = None) -> int:
        """Send a request with the root token, and return the status."""
        token = {"X-Vault-Token": self.cluster.root_token.reveal()}
        url = f"{self.address}/v1/{path}"
        return requests.request(method, url, json=body, headers=token, timeout=10).status_code


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    folder = tmp_path_factory.mktemp("cluster")
    with raft_cluster(folder) as cluster:
        create_kv_mount(cluster.root, "kv")
        cluster.root.post("sys/auth/approle", {"type": "approle"})
        leader = cluster.leader()
        assert leader is not None
        address = next(each for each in cluster.addresses if each != leader.address)
        yield Standby(cluster, address, folder)


def is_written(session: Session) -> bool:
    try:
        session.post(SECRET, {"data": {"value": "first"}})
    except (ServerError, RequestRefused):  # the latter while the standby prepares the new mount
        return False
    return True


def test_session_reads_what_it_has_just_written(standby: Standby) -> None:
    writes = [str(number) for number in range(20)]
    with Session(standby.address, StaticToken(standby.cluster.root_token)) as session:
        wait_until(lambda: is_written(session), "the mount on the standby")
        reads = []
        for value in writes:
            session.post(SECRET, {"data": {"value": value}})
            reads.append(session.get(SECRET)["data"]["data"]["value"])
    assert reads == writes


def approle_login(standby: Standby) -> tuple[dict[str, str], dict[str, str]]:
    """Return a login by AppRole, and one with a wrong secret-id."""
    root = standby.cluster.root
    root.post(ROLE, {"token_policies": ["default"]})
    login = {
        "role_id": root.get(f"{ROLE}/role-id")["data"]["role_id"],
        "secret_id": root.post(f"{ROLE}/secret-id", {})["data"]["secret_id"],
    }
    listed = f"{ROLE}/secret-id"
    wait_until(lambda: standby.request("LIST", listed) == requests.codes.ok, "the secret-id there")
    return login, {**login, "secret_id": "wrong"}


def jwt_login(standby: Standby) -> tuple[dict[str, str], dict[str, str]]:
    """Return a login by JWT, and one of another subject."""
    root, signer, role = standby.cluster.root, Signer("https://ci.example.com"), "auth/jwt/role/ci"
    root.post("sys/auth/jwt", {"type": "jwt"})
    root.post("auth/jwt/config", {"jwt_validation_pubkeys": [public(signer.key)]})
    bound = {"bound_audiences": ["strongroom"], "bound_subject": "shop"}
    root.post(role, {"role_type": "jwt", "user_claim": "sub", **bound})
    wait_until(lambda: standby.request("GET", role) == requests.codes.ok, "the role there")
    right, wrong = (signer.token(aud="strongroom", sub=name) for name in ("shop", "another"))
    return {"role": "ci", "jwt": right}, {"role": "ci", "jwt": wrong}


@pytest.mark.parametrize(
    ("make_logins", "path", "forms"),
    [(approle_login, "auth/approle/login", 3), (jwt_login, "auth/jwt/login", 2)],
)
def test_login_counts_once_in_audit_logs_and_as_no_failure(
    standby: Standby,
    tmp_path: Path,
    make_logins: Callable[[Standby], tuple[dict[str, str], dict[str, str]]],
    path: str,
    forms: int,
) -> None:
    """The standby logs an error of each login, in one of two forms, and the leader the login."""
    login, wrong = make_logins(standby)
    statuses = [standby.request("POST", path, login) for _ in range(LOGINS)]
    assert statuses == [requests.codes.ok] * LOGINS
    assert standby.request("POST", path, wrong) == requests.codes.bad_request
    ingest(map(Source.server_log, standby.folder.glob("node-*/audit.log")), tmp_path / "store")
    with open_store(tmp_path / "store") as store:
        outcomes, errors = (
            store.execute(query, [path]).fetchall()
            for query in (
                "SELECT outcome, count(*) FROM events WHERE path = ? GROUP BY ALL ORDER BY ALL",
                "SELECT DISTINCT error FROM lines WHERE path = ? AND error IS NOT NULL",
            )
        )
    assert outcomes == [("failed", 1), ("ok", LOGINS)]
    assert len(errors) == forms, errors  # both forms, and the wrong one's, if the log has it


def can_log_in(address: str, login: AppRole) -> bool:
    try:
        with Session(address, login) as session:
            return bool(session.get("auth/token/lookup-self"))
    except AuthenticationFailed:
        return False


def test_devices_of_a_standby_are_compared_with_a_request_of_its_own(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, folder = standby.cluster.root, standby.folder
    policy = 'path "sys/audit" { capabilities = ["read", "sudo"] }'
    root.post("sys/policies/acl/auditor", {"policy": policy})
    root.post("auth/approle/role/auditor", {"token_policies": ["auditor"]})
    role_id = root.get("auth/approle/role/auditor/role-id")["data"]["role_id"]
    secret_id = root.post("auth/approle/role/auditor/secret-id", {})["data"]["secret_id"]
    for name, value in (("role-id", role_id), ("secret-id", secret_id)):
        (folder / name).write_text(value)
    auditor = AppRole(folder / "role-id", folder / "secret-id")
    wait_until(lambda: can_log_in(standby.address, auditor), "the secret-id on the standby")
    monkeypatch.setattr(devices, "open_job_session", lambda *_: Session(standby.address, auditor))
    node = next(each for each in standby.cluster.nodes if each.address == standby.address)
    log = folder / node.name / "audit.log"
    words = ("--env", "staging", "--audit-log", str(log), "--min-free", "1")
    assert run_command(monkeypatch, "audit", "devices", *words) == 0
