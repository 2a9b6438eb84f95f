"""Report of the deployment's audit logs, held against what a test did, line by line."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from app_integration.client import Client
from app_integration.settings import from_environment
from console.target.target import Target
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

WEB: Final = "report-web"
PERSON: Final = "report-amal"
SECRET: Final = "secret/data/gaara-store/dev/report-proof"
POLICY: Final = """
path "secret/data/gaara-store/dev/*" { capabilities = ["create", "update", "read", "delete"] }
path "transit/encrypt/gaara-store-dev-pii" { capabilities = ["update"] }
path "transit/decrypt/gaara-store-dev-pii" { capabilities = ["update"] }
path "database/creds/gaara-store-dev" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
"""
CONTEXT: Final = base64.b64encode(b"report").decode()
PERSON_PASSWORD: Final = "report-amal-password"


@dataclass
class Api:
    """Requests to the server, with a token or with none."""

    address: str
    token: str = ""
    expected: set[int] = field(default_factory=lambda: {200, 204})

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request, and return its response, None if there is none."""
        own = {"X-Vault-Token": self.token} if self.token else {}
        url = f"{self.address}/v1/{path}"
        response = requests.request(method, url, json=body, headers=own | headers, timeout=10)
        assert response.status_code in self.expected, response.status_code
        return response.json() if response.content else None

    def refused(self, method: str, path: str, status: int, body: Any = None) -> None:
        """Send a request that the server must refuse with *status*."""
        replace(self, expected={status}).send(method, path, body)

    def login(self, path: str, body: Any) -> Api:
        """Return the requests of whom the login at *path* names."""
        return Api(self.address, self.send("POST", path, body)["auth"]["client_token"])


@dataclass
class Site:
    """What the test makes on the server, and removes."""

    deployment: Deployment
    accessors: list[tuple[str, str]] = field(default_factory=list)

    @property
    def api(self) -> Api:
        return Api(self.deployment.settings.vault_addr)

    def credential(self, role: str, host: str) -> dict[str, str]:
        """Return a role-id and a secret-id for *host*."""
        path = f"auth/approle/role/{role}"
        body = {"metadata": json.dumps({"host": host}), "ttl": "10m"}
        issued = self.deployment.operator.post(f"{path}/secret-id", body)["data"]
        self.accessors.append((path, issued["secret_id_accessor"]))
        role_id = self.deployment.operator.get(f"{path}/role-id")["data"]["role_id"]
        return {"role_id": role_id, "secret_id": issued["secret_id"]}

    def remove(self) -> None:
        """Remove what was made."""
        operator = self.deployment.operator
        for path, accessor in self.accessors:
            with suppress(Exception):
                operator.post(
                    f"{path}/secret-id-accessor/destroy", {"secret_id_accessor": accessor}
                )
        for path in (
            *(f"auth/approle/role/{WEB}", f"auth/userpass/users/{PERSON}"),
            *(f"sys/policies/acl/{WEB}", SECRET.replace("data", "metadata")),
        ):
            operator.delete(path)


@pytest.fixture
def site(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield the site, with a role of two hosts and a person."""
    monkeypatch.setattr(Target, "local_deployment", lambda *_, **__: deployment.local)
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    made, operator = Site(deployment), deployment.operator
    operator.post(f"sys/policies/acl/{WEB}", {"policy": POLICY})
    operator.post(f"auth/approle/role/{WEB}", {"token_policies": [WEB], "token_ttl": "10m"})
    person = {"password": PERSON_PASSWORD, "token_policies": [WEB], "token_ttl": "10m"}
    operator.post(f"auth/userpass/users/{PERSON}", person)
    yield made
    made.remove()


def act(site: Site) -> None:
    """Do what :data:`READS` and the other lists below say, and nothing else."""
    login = "auth/approle/login"
    one = site.api.login(login, site.credential(WEB, "web-1"))
    two = site.api.login(login, site.credential(WEB, "web-2"))
    amal = site.api.login(f"auth/userpass/login/{PERSON}", {"password": PERSON_PASSWORD})
    amal.send("POST", SECRET, {"data": {"value": "first"}})
    one.send("GET", SECRET)
    two.send("GET", SECRET)
    amal.send("POST", SECRET, {"data": {"value": "second", "pin": 987654321}})
    one.send("GET", SECRET)
    one.send("GET", SECRET)
    two.send("GET", SECRET, **{"X-Vault-Wrap-TTL": "60s"})
    one.refused("GET", "secret/data/orders-mail/dev/redis-url", 403)
    one.refused("GET", f"{SECRET}-none", 404)
    one.refused("POST", "transit/decrypt/gaara-store-dev-pii", 400, {"ciphertext": "vault:v1:x"})
    encrypt = {"plaintext": CONTEXT, "context": CONTEXT}
    sealed = one.send("POST", "transit/encrypt/gaara-store-dev-pii", encrypt)["data"]["ciphertext"]
    two.send(
        "POST", "transit/decrypt/gaara-store-dev-pii", {"ciphertext": sealed, "context": CONTEXT}
    )
    lease = two.send("GET", "database/creds/gaara-store-dev")["lease_id"]
    two.send("POST", "sys/leases/revoke", {"lease_id": lease, "sync": True})
    amal.send("DELETE", SECRET)
    one.refused("GET", SECRET, 404)
    Api(site.api.address, "hvs.report").refused("GET", f"{SECRET}-bad-token", 403)
    site.api.refused("POST", login, 400, {"role_id": "report", "secret_id": "report"})
    one.send("POST", "auth/token/revoke-self")


def use_sdk(site: Site, folder: Path) -> Path:
    """Read a secret by the SDK and beside it, and return the access records."""
    credential, records = site.credential("gaara-store-dev", "report-sdk"), folder / "access.jsonl"
    variables = {**site.deployment.variables, "STRONGROOM_AUDIT_FILE": str(records)}
    for key, name in (
        ("role_id", "STRONGROOM_ROLE_ID_FILE"),
        ("secret_id", "STRONGROOM_SECRET_ID_FILE"),
    ):
        (folder / key).write_text(credential[key])
        variables[name] = str(folder / key)
    client = Client(from_environment(variables))
    client.secrets.get("smtp-password")
    client.secrets.get("smtp-password")
    beside = site.api.login("auth/approle/login", credential)
    beside.send("GET", "secret/data/gaara-store/dev/smtp-password")
    client.secrets.get("smtp-password")
    client.close()
    return records


ONE: Final = (WEB, "web-1")
TWO: Final = (WEB, "web-2")
AMAL: Final = (PERSON, None)
PII: Final = "transit/{}/gaara-store-dev-pii"
#: Actor, host, path → operation, name, number of requests, versions, wrapped ones.
READS: Final = {
    (*ONE, SECRET): ("data", None, 3, [1, 2], 0),
    (*TWO, SECRET): ("data", None, 2, [1], 1),
    (*ONE, PII.format("encrypt")): ("encrypt", "pii", 1, [1], 0),
    (*TWO, PII.format("decrypt")): ("decrypt", "pii", 1, [], 0),
    (*TWO, "database/creds/gaara-store-dev"): ("creds", "default", 1, [], 0),
}
#: Actor, host, path → outcome, operation, service, number.
REFUSALS: Final = {
    (*ONE, "secret/data/orders-mail/dev/redis-url"): ("denied", "read", "orders-mail", 1),
    (*ONE, f"{SECRET}-none"): ("absent", "read", "gaara-store", 1),
    (*ONE, SECRET): ("absent", "read", "gaara-store", 1),
    (*ONE, PII.format("decrypt")): ("failed", "update", "gaara-store", 1),
}
CHANGES: Final = {
    (*AMAL, "create", SECRET): ("secret", "gaara-store", 1),
    (*AMAL, "update", SECRET): ("secret", "gaara-store", 1),
    (*AMAL, "delete", SECRET): ("secret", "gaara-store", 1),
}
OURS: Final = {WEB, PERSON}


def run_report(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    document: dict[str, Any] = json.loads(show(site, monkeypatch, capsys, *words, "--json"))
    return document


def show(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> str:
    """Return what the command prints."""
    site.deployment.refresh("vault/audit")
    capsys.readouterr()
    options = ["--env", "dev", "--root", str(site.deployment.layout.root)]
    assert run_command(monkeypatch, "audit", *words, *options) == 0
    return capsys.readouterr().out


def pick(rows: list[dict[str, Any]], keys: str, values: str) -> dict[Any, tuple[Any, ...]]:
    """Return the rows of the actors of this test, values by keys, of which no two are the same."""
    own = [row for row in rows if row.get("actor") in OURS]
    found = {tuple(map(row.get, keys.split())): tuple(map(row.get, values.split())) for row in own}
    assert len(found) == len(own)
    return found


def test_report_has_what_was_done_and_nothing_else(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    since = datetime.now(UTC)
    act(site)
    records = use_sdk(site, tmp_path)
    until = datetime.now(UTC)
    store = ["--store", str(tmp_path / "store"), "--since", since.isoformat()]
    page = tmp_path / "report.html"
    words = ["report", *store, "--records", str(records), "--html", str(page)]
    document = run_report(site, monkeypatch, capsys, *words)
    who = "actor host path"
    found = pick(document["reads"], who, "operation name count versions wrapped")
    assert found == READS
    assert pick(document["refusals"], who, "outcome operation service count") == REFUSALS
    found = pick(document["changes"], "actor host operation path", "subject service count")
    assert found == CHANGES
    check_identities(document)
    check_records(document)
    text = json.dumps(document)
    assert "987654321" not in text
    assert page.read_text(encoding="utf-8").count(SECRET) >= len(CHANGES)
    for row in (*document["reads"], *document["refusals"], *document["changes"]):
        if row["actor"] in OURS:
            first, last = (datetime.fromisoformat(row[key]) for key in ("first", "last"))
            assert since.replace(microsecond=0) <= first <= last <= until
            assert row["address"] == "127.0.0.1"
    assert page.stat().st_mode & 0o777 == 0o600
    check_questions(site, monkeypatch, capsys, store)


def check_identities(document: dict[str, Any]) -> None:
    """Compare who the actors are, and what became of their tokens."""
    found = pick(document["actors"], "actor", "person methods aliases hosts reads denied count")
    assert found == {
        (WEB,): (False, ["approle"], [], ["web-1", "web-2"], 8, 1, 16),
        (PERSON,): (True, ["userpass"], [PERSON], [], 0, 0, 4),
    }
    tokens = "tokens unused used_once logins reads logins_per_read"
    assert pick(document["tokens"], "actor", tokens) == {
        (WEB,): (2, 0, 0, 2, 8, 0.25),
        (PERSON,): (1, 0, 0, 1, 0, None),
    }
    days = pick(document["token_days"], "actor", "logins issued renewed revoked reads")
    assert days == {(WEB,): (2, 0, 0, 1, 8), (PERSON,): (1, 0, 0, 0, 0)}
    (lease,) = [row for row in document["database_users"] if row["actor"] in OURS]
    assert [lease[key] for key in ("actor", "host", "role", "service")] == [
        *(*TWO, "gaara-store-dev", "gaara-store")
    ]
    assert lease["user"].startswith("v-")
    assert lease["lease_id"].startswith("database/creds/gaara-store-dev/")
    without = {
        (row["path"], row["outcome"], row["login"], row["count"])
        for row in document["without_token"]
    }
    assert without == {
        (f"{SECRET}-bad-token", "denied", False, 1),
        ("auth/approle/login", "failed", True, 1),
    }


def check_records(document: dict[str, Any]) -> None:
    """Compare the SDK's records with the requests of its host, and with those beside it."""
    records = document["records"]
    releases = [
        tuple(row[key] for key in ("secret", "outcome", "count")) for row in records["releases"]
    ]
    assert releases == [("smtp-password", "hit", 2), ("smtp-password", "miss", 1)]
    beside = [
        (row["name"], row["count"]) for row in records["unrecorded"] if row["host"] == "report-sdk"
    ]
    assert beside == [("smtp-password", 1)]
    assert records["unlogged"] == []
    reads = [row for row in document["reads"] if row["host"] == "report-sdk"]
    assert [(row["name"], row["count"]) for row in reads] == [("smtp-password", 2)]


def check_questions(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    store: list[str],
) -> None:
    """Compare the answers about one secret and one actor."""
    answer = run_report(site, monkeypatch, capsys, "what", PERSON, *store)
    done = [(row["category"], row["operation"], row["count"]) for row in answer["actions"]]
    assert sorted(done) == [
        ("change", "create", 1),
        ("change", "delete", 1),
        ("change", "update", 1),
        ("login", "update", 1),
    ]
    words = ["smtp-password", "--service", "gaara-store", *store]
    answer = run_report(site, monkeypatch, capsys, "who", *words)
    own = [row for row in answer["reads"] if row["host"] == "report-sdk"]
    assert [(row["outcome"], row["count"]) for row in own] == [("ok", 2)]
    answer = run_report(site, monkeypatch, capsys, "version", *words)
    assert (answer["current_by"], answer["server_error"]) == ("server", None)
    own = [row for row in answer["readers"] if row["host"] == "report-sdk"]
    assert [(row["version"], row["is_current"], row["tokens"]) for row in own] == [
        (answer["current"], True, 2)
    ]
    shown = show(site, monkeypatch, capsys, "version", *words)
    assert f"The current version is {answer['current']}, by the server.\n" in shown
    assert "report-sdk" in shown
    shown = show(site, monkeypatch, capsys, "who", *words)
    assert "\nRequests to the server\n" in shown
    assert "\nReleases by the SDK\n" in shown
    assert "auth/userpass/login" in show(site, monkeypatch, capsys, "what", PERSON, *store)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["report", "--since", "yesterday"], 64, "is no duration and no time"),
        (["report", "--service", "gaara-stor"], 1, "did you mean 'gaara-store'?"),
        (["report", "--html", "/nowhere/x.html"], 64, "/nowhere is not a folder"),
        (["report", "--html", "/"], 64, "--html / is a folder; name a file in it"),
        (["report", "--audit-log", "/nowhere/x.log"], 1, "/nowhere/x.log"),
        (["who", "jwt-secre", "--service", "gaara-store"], 1, "did you mean 'jwt-secret'?"),
        (["what", "gaara-store-de"], 1, "did you mean 'gaara-store-dev'?"),
    ],
)
def test_wrong_option_or_name_is_refused(
    site: Site,
    command_line: CommandLine,
    tmp_path: Path,
    words: list[str],
    code: int,
    message: str,
) -> None:
    options = ["--env", "dev", "--root", str(site.deployment.layout.root)]
    options += ["--store", str(tmp_path / "store")]
    command_line.assert_rejected(code, message, "audit", *words, *options)
