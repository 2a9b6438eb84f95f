"""Ledger and rotations after the archive took the log: what is in its segments still counts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from app_integration.auth.methods import AppRole
from app_integration.client import Client
from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.names import VALUE_KEY, Environment
from app_integration.session.session import Session
from console.target.audit_logs.response_log import open_response_log
from console.target.target import open_target
from tests.support.models.rotations import build_rotation, change_service, dev_context
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.source import find_server_logs
from vault.declare.schema.secret_sources import Generated
from vault.reconcile.credentials import issue_credential
from vault.reconcile.resources.kv import data_path
from vault.rotation.consumers.consumer_log import TokenReads, read_consumer_log
from vault.rotation.consumers.login_log import read_login_log
from vault.rotation.inventory import Item, declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import read_audit_logs
from vault.rotation.record import Step
from vault.rotation.response_log import FileLog, ResponseLog
from vault.rotation.rotation import Result
from vault.rotation.stored_log import StoredLog

pytestmark = pytest.mark.requires("embedded")

DEV = Environment.DEV
ROLE = "archived-web"
NAME = "archived-key"
PATH = f"gaara-store/dev/{NAME}"
READ = f"secret/data/{PATH}"
ITEM = Item(Kind.SECRET, "gaara-store", NAME, PATH, 86_400, is_declared=True)
SOURCE = Generated.model_validate({"source": "generated", "length": 32, "retire_after": "20s"})


@dataclass
class Site:
    """A secret that a role on a host reads, and an archive of the logs."""

    deployment: Deployment
    folder: Path
    consumer: Session
    archive: Callable[[], Path]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def open_log(self, *paths: Path) -> ResponseLog:
        """Return the live logs and *paths*, as the commands read them."""
        live = self.deployment.layout.audit_logs
        log = open_response_log(open_target(DEV, self.folder), [*paths, *live], None)
        assert log is not None
        return log

    def rotate(self, *paths: Path) -> Result:
        local = self.deployment.local
        declaration = change_service(local.declaration, "gaara-store", secrets={NAME: SOURCE})
        context = dev_context(declaration, self.deployment.operator, lambda: self.now, self.folder)
        read_log = partial(read_consumer_log, self.open_log(*paths))
        return build_rotation(replace(context, read_log=read_log), ITEM).run()


@pytest.fixture
def site(archivable: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    operator, role = archivable.operator, f"auth/approle/role/{ROLE}"
    policies = ["strongroom-apply", "gaara-store-dev"]  # with the first alone it is our tool
    operator.post(role, {"token_policies": policies, "token_ttl": "10m"})
    issue_credential(operator, ROLE, tmp_path, host="web-1")
    operator.post(READ, {"data": {VALUE_KEY: "first"}})
    login = AppRole(tmp_path / "role-id", tmp_path / "secret-id")
    folder = tmp_path / "archive"
    folder.mkdir()

    def archive() -> Path:
        origin = ["--service", "gaara-store", "--env", "dev", "--root", str(archivable.layout.root)]
        command = ["audit", "archive", *origin, "--folder", str(folder)]
        assert run_command(monkeypatch, *command) == 0
        return folder

    with Session(archivable.settings.vault_addr, login) as session:
        yield Site(archivable, tmp_path, session, archive)
    operator.delete(role)
    for path in (PATH, f"_strongroom/dev/rotation/secret/{PATH}"):
        operator.delete(f"secret/metadata/{path}")


def test_read_in_a_segment_is_in_the_ledger(site: Site) -> None:
    site.consumer.get(READ)
    archive = site.archive()
    live, whole = (
        read_audit_logs(site.open_log(*paths), [ITEM], DEFAULT_MOUNTS) for paths in ((), (archive,))
    )
    assert live.reads == {}
    last = whole.reads[ITEM]
    assert (last.role, last.host, last.version) == (ROLE, "web-1", 1)
    assert whole.skipped == 0


def test_command_shows_a_read_in_a_segment(
    site: Site, service: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.secrets.get("jwt-secret", force_refresh=True)
    archive = site.archive()
    capsys.readouterr()
    command = ["ledger", "--env", "dev", "--json", "--service", "gaara-store"]
    command += ["--root", str(site.deployment.layout.root), "--audit-log", str(archive)]
    assert run_command(monkeypatch, *command, "--store", str(site.folder / "store")) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = (each for each in document["rows"] if each["name"] == "jwt-secret")
    assert (row["last_read"]["state"], row["last_read"]["role"]) == ("read", "gaara-store-dev")
    assert row["last_read"]["version"] == row["version"]
    segments = {Path(each["path"]).parent for each in document["audit_log"]["files"]}
    assert segments == {archive}


def test_consumer_in_a_segment_needs_no_time_bound(site: Site) -> None:
    site.consumer.get(READ)
    archive = site.archive()
    evidence = site.rotate().evidence
    assert evidence is not None
    assert (evidence.waiting, "not have all reads" in " ".join(evidence.notes)) == ((), True)
    evidence = site.rotate(archive).evidence
    assert evidence is not None
    assert [each.identity for each in evidence.waiting] == [f"{ROLE} on web-1"]
    assert "not have all reads" not in " ".join(evidence.notes)
    site.consumer.get(READ)
    site.now += timedelta(minutes=5)
    done = site.rotate(archive)
    assert done.record.step is Step.DONE
    assert done.evidence is not None
    assert [each.identity for each in done.evidence.moved] == [f"{ROLE} on web-1"]


def test_store_of_real_logs_says_what_the_files_say(
    deployment: Deployment, service: Client, tmp_path: Path
) -> None:
    service.secrets.get("smtp-password", force_refresh=True)
    deployment.refresh("vault/audit")
    copies = [Path(shutil.copy(path, tmp_path)) for path in deployment.layout.audit_logs]
    store = tmp_path / "store"
    logs: list[Callable[[], ResponseLog]] = [
        lambda: FileLog.of(copies),
        lambda: StoredLog(store, "", lambda: ingest(find_server_logs(copies), store)),
    ]
    items = declared_items(deployment.local.declaration, DEV)
    paths = [data_path(item.server_name, DEFAULT_MOUNTS.kv) for item in items]
    of_files, of_store = (read_audit_logs(open_log(), items, DEFAULT_MOUNTS) for open_log in logs)
    assert len(of_files.reads) > 1
    for name in ("reads", "rotations", "logins", "first", "last"):
        assert getattr(of_store, name) == getattr(of_files, name)
    files, stored = (read_consumer_log(open_log(), paths).tokens for open_log in logs)
    assert sorted(stored, key=describe) == sorted(files, key=describe)
    times = [read_login_log(open_log(), "auth/approle/login").times for open_log in logs]
    assert times[0] == times[1]


def describe(token: TokenReads) -> tuple[str, ...]:
    """Return what sorts tokens in the same way, in whichever order they were read."""
    reads = sorted(
        (path, *each) for path, found in token.versions.items() for each in found.items()
    )
    return token.identity, *map(str, reads)
