"""Ledger of the local deployment: ages by the server, reads by its audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app_integration.auth.methods import AppRole, StaticToken
from app_integration.client import Client
from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.names import Environment
from app_integration.session.session import Session
from console.commands.rotate import ledger
from console.target import environment_ledger
from console.target.checkout import Checkout
from console.target.environment_ledger import read_ledger
from console.target.target import Target, open_target
from local.deployment import LocalDeployment
from tests.support.polling import wait_until
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.deployment import Deployment
from vault.rotation.inventory import declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import Read
from vault.rotation.ledger.ledger import ReadState, Row, State
from vault.rotation.server_ages import read_ages

pytestmark = pytest.mark.requires("embedded")

STORE = {
    *(("secret", name) for name in ("database-url", "jwt-secret", "redis-url", "smtp-password")),
    *(("key", name) for name in ("pii", "index", "audit")),
    ("root-user", "gaara_store_manager"),
    *(("secret-id", f"gaara-store-dev{suffix}") for suffix in ("", "-blue", "-green", "-starter")),
}
WORKER = {
    *(("secret", name) for name in ("database-url", "redis-url", "smtp-password")),
    ("key", "receipts"),
    *(("secret-id", role) for role in ("orders-mail-dev", "orders-mail-dev-starter")),
}
CONTEXT = {"field": "x", "record": "1"}
JOBS = {("secret-id", f"strongroom-{job}") for job in ("plan", "apply", "rotator", "auditor")}


@pytest.fixture(autouse=True)
def local(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> LocalDeployment:
    """Let the command use the shared deployment, whose ports no variable has."""
    deployment.refresh("vault/audit")
    monkeypatch.setattr(Target, "local_deployment", lambda *_, **__: deployment.local)
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    return deployment.local


def read(
    deployment: Deployment, now: datetime | None = None, service: str | None = None
) -> list[Row]:
    target = open_target(root=deployment.layout.root)
    return read_ledger(target, service, (), None, now or datetime.now(UTC))[0]


def find(rows: list[Row], kind: Kind, name: str, service: str | None = "gaara-store") -> Row:
    found = [
        row
        for row in rows
        if (row.item.kind, row.item.name, row.item.service) == (kind, name, service)
    ]
    return found[0]


def command(deployment: Deployment, *arguments: object) -> list[str]:
    return ["ledger", "--env", "dev", "--root", str(deployment.layout.root), *map(str, arguments)]


def test_every_declared_value_has_a_row_with_an_age(deployment: Deployment) -> None:
    rows = read(deployment)
    assert {(row.item.kind.value, row.item.name) for row in rows} == STORE | WORKER | JOBS
    without = {row.item.name for row in rows if row.age.created is None}
    assert without <= {"strongroom-rotator", "strongroom-auditor"}
    assert {row.state for row in rows if row.item.name not in without} == {State.OK}


def test_rotation_of_the_root_user_is_that_of_the_first_start(deployment: Deployment) -> None:
    found = find(read(deployment), Kind.ROOT_USER, "gaara_store_manager")
    assert found.age.rotated is not None
    assert found.age.rotated <= datetime.now(UTC)


def test_read_by_the_sdk_is_the_last_read_by_the_role_of_the_store(
    deployment: Deployment, service: Client
) -> None:
    before = datetime.now(UTC)
    service.secrets.get("smtp-password", force_refresh=True)
    row = find(read(deployment), Kind.SECRET, "smtp-password")
    assert row.last_read.state is ReadState.READ
    last = row.last_read.read
    assert last is not None
    assert last.time >= before
    assert (last.role, last.host, last.version) == ("gaara-store-dev", None, row.age.version)


@pytest.fixture
def worker(deployment: Deployment, tmp_path: Path) -> Iterator[Session]:
    """Yield a session of the mail worker, whose secret-id names its host."""
    role = "auth/approle/role/orders-mail-dev"
    body = {"metadata": json.dumps({"host": "mail-7"}), "ttl": "60s"}
    issued = deployment.operator.post(f"{role}/secret-id", body)["data"]
    files = tmp_path / "role-id", tmp_path / "secret-id"
    files[0].write_text(deployment.operator.get(f"{role}/role-id")["data"]["role_id"])
    files[1].write_text(issued["secret_id"])
    with Session(deployment.settings.vault_addr or "", AppRole(*files)) as session:
        yield session
    accessor = {"secret_id_accessor": issued["secret_id_accessor"]}
    deployment.operator.post(f"{role}/secret-id-accessor/destroy", accessor)


def test_read_of_a_host_is_known_by_the_metadata_of_its_secret_id(
    deployment: Deployment, worker: Session
) -> None:
    def read_by_a_host() -> Read | None:
        worker.get("secret/data/orders-mail/dev/smtp-password")
        rows = read(deployment, service="orders-mail")
        last = find(rows, Kind.SECRET, "smtp-password", "orders-mail").last_read.read
        return last if last is not None and last.host is not None else None

    # The agent of the worker, which has no host, may read it at any time.
    last = wait_until(read_by_a_host, "a read of the host")
    assert last is not None
    assert (last.role, last.host) == ("orders-mail-dev", "mail-7")


def test_ledger_of_one_service_has_each_of_its_secret_ids(
    deployment: Deployment, worker: Session
) -> None:
    worker.get("secret/data/orders-mail/dev/smtp-password")
    rows = read(deployment, service="orders-mail")
    assert {(row.item.kind.value, row.item.name) for row in rows} == WORKER
    ids = [row for row in rows if row.item.name == "orders-mail-dev"]
    assert len({row.age.accessor for row in ids}) == len(ids) >= 2
    # The worker of this test has a secret-id without a name, and the deployment's has one.
    named = [row for row in ids if row.age.issued is not None]
    assert {row.last_read.state for row in ids if row not in named} == {ReadState.UNKNOWN}
    assert ReadState.UNKNOWN not in {row.last_read.state for row in named}


def test_use_of_a_key_has_its_version_if_it_encrypted(
    deployment: Deployment, service: Client
) -> None:
    token = service.cipher("pii").encrypt_field("x", CONTEXT)
    row = find(read(deployment), Kind.KEY, "pii")
    last = row.last_read.read
    assert last is not None
    assert (last.role, last.operation, last.version) == (
        "gaara-store-dev",
        "encrypt",
        row.age.version,
    )
    other = Client(deployment.settings)  # because the first one has the data key in memory
    other.cipher("pii").decrypt_field(token, CONTEXT)
    other.close()
    last = find(read(deployment), Kind.KEY, "pii").last_read.read
    assert last is not None
    assert (last.operation, last.version) == ("decrypt", None)


def test_secret_is_overdue_after_its_period(deployment: Deployment) -> None:
    rows = read(deployment, datetime.now(UTC) + timedelta(days=31))
    overdue = {row.item.name for row in rows if row.state is State.OVERDUE}
    assert overdue == {"database-url", "gaara_store_manager"}


@pytest.fixture
def auditor(deployment: Deployment) -> Iterator[Session]:
    yield from session_of(deployment, "strongroom-auditor")


@pytest.fixture
def planner(deployment: Deployment) -> Iterator[Session]:
    yield from session_of(deployment, "strongroom-plan")


def session_of(deployment: Deployment, policy: str) -> Iterator[Session]:
    address = deployment.settings.vault_addr or ""
    with deployment.token(policy) as token, Session(address, StaticToken(token)) as session:
        yield session


def known(session: Session) -> dict[str, bool]:
    """Return whether the ages of an item are known to *session*, by name."""
    now, items = datetime.now(UTC), declared_items(Checkout().declaration, Environment.DEV)
    ages = partial(read_ages, session, mounts=DEFAULT_MOUNTS, now=now)
    return {
        item.name: all(age.is_known for age in ages(item))
        for item in items
        if item.kind is not Kind.ROOT_USER
    }


def test_auditor_may_read_all_ages(auditor: Session) -> None:
    assert set(known(auditor).values()) == {True}


def test_planner_may_read_all_ages_but_those_of_secret_ids(planner: Session) -> None:
    unknown = {name for name, is_known in known(planner).items() if not is_known}
    assert unknown == {name for kind, name in STORE | WORKER | JOBS if kind == "secret-id"}


def test_no_secret_value_is_requested(deployment: Deployment) -> None:
    log = deployment.layout.audit_logs[0]
    start = len(log.read_bytes())
    read(deployment, service="orders-mail")
    deployment.refresh("vault/audit")
    requests = [
        json.loads(line)["request"]
        for line in log.read_bytes()[start:].splitlines()
        if b'"role_name":"strongroom-apply"' in line
    ]
    assert requests
    values = ("secret/data/", "database/creds", "database/static-creds", "transit/decrypt")
    assert [each["path"] for each in requests if each["path"].startswith(values)] == []


def test_command_prints_a_table_and_exits_0(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, *command(deployment)) == 0
    printed = capsys.readouterr().out
    assert "jwt-secret" in printed
    assert "Reads are those in the audit log, from 20" in printed


def test_command_exits_2_if_something_is_overdue(
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    later = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(days=31))
    monkeypatch.setattr(ledger, "datetime", later)
    metrics = tmp_path / "strongroom.prom"
    arguments = command(deployment, "--json", "--service", "gaara-store", "--metrics", metrics)
    assert run_command(monkeypatch, *arguments) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["overdue"] == 2
    assert {(row["kind"], row["name"]) for row in document["rows"]} == STORE
    families = list(text_string_to_metric_families(metrics.read_text(encoding="utf-8")))
    assert [family.name for family in families] == [
        f"strongroom_rotation_{name}"
        for name in (
            *("age_seconds", "due_timestamp_seconds", "overdue", "waiting_timestamp_seconds"),
            *("value_deleted", "checked_timestamp_seconds"),
        )
    ]
    overdue = {each.labels["name"] for each in families[2].samples if each.value == 1}
    assert overdue == {"database-url", "gaara_store_manager"}
    assert metrics.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--audit-log", "/nowhere/audit.log"], 1, "/nowhere/audit.log: No such file"),
        (["--audit-log", __file__], 1, "has no line of an audit log"),
        (["--service", "gaara-stor"], 1, "did you mean 'gaara-store'?"),
        (["--metrics", "/nowhere/x.prom"], 64, "/nowhere is not a folder"),
        (["--metrics", "x.txt"], 64, "does not end in .prom"),
    ],
)
def test_wrong_option_is_rejected_before_any_request(
    deployment: Deployment,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.setattr(environment_ledger, "open_job_session", None)
    command_line.assert_rejected(code, message, *command(deployment, *arguments))
