"""Samples of everything that is stored, as this version writes it.

Write them again with ``python -m tests.support.models.compat_samples``, into the folder of this
version below ``tests/compat``. The folders of released versions never change. All values are
invented, and so is the key that wraps the keys of the samples.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine

from agent.supervisor.run_settings import RunSettings
from agent.supervisor.unit_state import RunState, UnitState, write_state
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.stores import DataKeyStore
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.names import Environment, Scope
from backup.facts import LARGE_OBJECTS, DatabaseFacts, SequenceFacts, TableFacts
from backup.label import BackupLabel
from backup.manifest import Entry, Manifest
from console.scaffold.new_repository import NewRepository
from console.scaffold.new_service import NewService
from local import folder_format, port_file
from local.layout import Layout
from local.ports import Ports
from local.processes.program import Record
from tests.support.models.cipher_parts import KeyService
from tests.support.processes.unit_files import CONFIG
from vault.audit.archive.chain import Chain, ChainFile
from vault.audit.archive.entry import NO_ENTRY, Deletion, Segment, hash_entry
from vault.audit.archive.log_facts import LogFacts
from vault.declare import repository, repository_root
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.plan import Action, Change, FieldChange, Plan
from vault.reconcile.resources.groups import Group
from vault.reconcile.resources.guards import PasswordPolicy
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.secrets import SecretMetadata

COMPAT: Final = Path(__file__).parents[2] / "compat"
SCOPE: Final = Scope("parcels", Environment.DEV)
CONTEXT: Final = {"user_id": 7}
VALUE: Final = "ada@example.com"
INDEX: Final = "users.email"
ROWS: Final = 1_000_000
DEPLOYMENT: Final = "shop"
_KEY: Final = bytes(range(32))


class Recorded(dict[str, Mapping[str, Any]]):
    """A session with an empty server, which records the body of each request by its path."""

    def get(self, path: str, default: object = None) -> Any:  # noqa: ARG002 (a dict's)
        known = {"accessor": "auth_oidc_1", "id": "1"} if path in self or "sys/auth" in path else {}
        return {"data": known}

    def post(self, path: str, body: Mapping[str, Any], **_: object) -> None:
        self[path] = body


def cipher(data_keys: DataKeyStore | None = None) -> FieldCipher:
    return FieldCipher(KeyService(_KEY), SCOPE, data_keys=data_keys)


def indexes(store: TableIndexKeys) -> BlindIndexes:
    return BlindIndexes(KeyService(_KEY), store, SCOPE)


def write_samples(folder: Path) -> None:
    """Write a sample of everything to *folder*, which must not exist."""
    folder.mkdir()
    _write_deployment(Layout(folder / "deployment"))
    _write_repository(folder / "repository")
    _write_plan(folder / "plan.json")
    _write_marks(folder / "marks.json")
    _write_backup(folder / "backup")
    _write_archive(folder / "audit")
    _write_keys_and_tokens(folder)


def _write_deployment(layout: Layout) -> None:
    unit = layout.agent(SCOPE)
    for each in (layout.root, layout.run, layout.agents, unit):
        each.mkdir()
    folder_format.write(layout)
    port_file.write(layout, Ports())
    layout.runtime.write_text("embedded")
    record = Record(4321, 1_800_000_000.5, 86_400.5, ("bao", "server"), (8200, 8201), 15)
    (layout.run / "vault.json").write_text(json.dumps(record.to_json()))
    run = RunSettings.from_bytes(json.dumps(CONFIG).encode(), unit / "run.json")
    (unit / "run.json").write_text(run.to_json())
    state = UnitState("g1", RunState.RUNNING, 4322, "2026-01-31T09:30:00.000+00:00", None, "0" * 64)
    write_state(unit, state)


def _write_repository(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "team"
        NewRepository(DEPLOYMENT, "team@example.com").write(root)
        service = NewService("parcels", "team@example.com", "Sends parcels.", ["api-key"])
        service.write(repository.read(root))
        for name in (repository_root.FILE, "services/parcels.yaml", "environments/dev.yaml"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)


def _write_plan(file: Path) -> None:
    resource = SecretMetadata(SCOPE.secret("api-key"), {"owner": "team@example.com"})
    change = Change(Action.CREATE, resource, None, (FieldChange("owner", None, "team"),))
    plan = Plan((change,), 1, (), hashed=lambda: "0" * 64)
    plan_file.save(file, plan_file.document(plan, Environment.DEV))


def _write_archive(folder: Path) -> None:
    folder.mkdir()
    now, chain = datetime(2026, 1, 31, 9, 30, tzinfo=UTC), ChainFile(folder)
    facts = LogFacts("1" * 64, 2800, 2, now, now)
    first = Segment(1, NO_ENTRY, "audit-1", now, facts, 5000, "2" * 64)
    second = Deletion(2, hash_entry(first), now + timedelta(days=91), 90, (1,))
    chain.append(chain.append(Chain(), first), second)


def _write_marks(file: Path) -> None:
    owner, server = Owner(Environment.DEV, DEPLOYMENT), Recorded()
    session: Any = server
    owner.entry("approle", str(SCOPE)).write(session, {})
    tags = {"deployment": DEPLOYMENT, "environment": "dev", "owner": "team@example.com"}
    SecretMetadata(SCOPE.secret("api-key"), tags).write(session, None)
    Group("people", ("shop-developer",), "oidc", "developers", DEPLOYMENT).write(session, None)
    Policy(str(SCOPE), 'path "secret/data/a" {}', DEPLOYMENT).write(session, None)
    PasswordPolicy("shop-passwords", 32, symbols=False, deployment=DEPLOYMENT).write(session, None)
    _write_json(file, server)


def _write_backup(folder: Path) -> None:
    folder.mkdir()
    facts = DatabaseFacts(
        tables={"public.parcels": TableFacts(3, -9), LARGE_OBJECTS: TableFacts(0, 0)},
        sequences={"public.numbers": SequenceFacts(4, 1)},
        relations=("S public.numbers", "r public.parcels"),
        roles=("parcels_readonly",),
        extensions={"citext": "public"},
    )
    (folder / "facts.json").write_bytes(facts.to_json())
    label = BackupLabel(SCOPE, "parcels", datetime(2026, 1, 31, 9, 30, tzinfo=UTC))
    entry = Entry(
        label.file_name, "parcels", "dev", "parcels", label.created, label.created, 5000, "00", 1, 3
    )
    (folder / "manifest.json").write_text(Manifest().with_entry(entry).to_json())


def _write_keys_and_tokens(folder: Path) -> None:
    file, database = FileDataKeys(folder / "data_keys.json"), folder / "tables.sqlite"
    engine = create_engine(f"sqlite:///{database}")
    table, index_keys = TableDataKeys(engine), TableIndexKeys(engine)
    table.create()
    index_keys.create()
    email = indexes(index_keys).index(INDEX, rows=ROWS, normalise="email")
    email.create()
    tokens = {
        "text": cipher().encrypt_field(VALUE, CONTEXT),
        "keyring of the file": _hex(cipher(file).encrypt_field(VALUE, CONTEXT)),
        "keyring of the table": _hex(cipher(table).encrypt_field(VALUE, CONTEXT)),
        "blind index": _hex(email.value(VALUE)),
    }
    engine.dispose()
    _write_json(folder / "tokens.json", tokens)
    with closing(sqlite3.connect(database)) as connection:
        lines = "\n".join(connection.iterdump()).splitlines()
    database.unlink()
    (folder / "tables.sql").write_text("".join(f"{line.rstrip()}\n" for line in lines))
    (folder / "data_keys.json.lock").unlink()


def _hex(token: str | bytes | None) -> str:
    assert isinstance(token, bytes)
    return token.hex()


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(f"{json.dumps(content, indent=2)}\n")


if __name__ == "__main__":
    target = COMPAT / version("strongroom")
    shutil.rmtree(target, ignore_errors=True)
    write_samples(target)
