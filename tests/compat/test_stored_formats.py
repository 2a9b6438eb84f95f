"""Samples of every version: this version reads them, and refuses each of a newer format."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine, create_engine

from agent.supervisor.unit_file import UnitFile
from agent.supervisor.unit_state import read_state
from app_integration._internal import formats
from app_integration._internal.formats import Format
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import ConfigurationError, DecryptionFailed, KeyUnavailable
from app_integration.names import Environment
from backup.errors import BackupFailed, RestoreRefused
from backup.facts import DatabaseFacts
from backup.manifest import Manifest
from local import folder_format, port_file
from local.layout import Layout
from local.processes.program import Record
from tests.support.models import compat_samples as samples
from vault.audit.archive.chain import ChainFile
from vault.audit.archive.errors import ArchiveFailed
from vault.declare import repository
from vault.declare.errors import DeclarationError
from vault.reconcile.planning import plan_file
from vault.reconcile.resources.groups import Group
from vault.reconcile.resources.guards import PasswordPolicy
from vault.reconcile.resources.marks import MARKED_BY, UnreadableMark
from vault.reconcile.resources.ownership import DEPLOYMENT, Owner
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.secrets import SecretMetadata

VERSIONS: Final = sorted(each.parent.name for each in samples.COMPAT.glob("*/tokens.json"))
WRITTEN: Final = "written again by: python -m tests.support.models.compat_samples"


@pytest.fixture(params=VERSIONS)
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a copy of one version's samples."""
    return Path(shutil.copytree(samples.COMPAT / request.param, tmp_path / "sample"))


@pytest.fixture
def engine(sample: Path) -> Iterator[Engine]:
    """Yield an engine with the tables of the sample."""
    with closing(sqlite3.connect(sample / "tables.sqlite")) as connection:
        connection.executescript((sample / "tables.sql").read_text())
    found = create_engine(f"sqlite:///{sample / 'tables.sqlite'}")
    yield found
    found.dispose()


def newer(number: Format) -> str:
    """Return the number of the next format."""
    return str(number.current + 1)


def replace_in(file: Path, pattern: str, new: str) -> None:
    """Replace the only match of *pattern* in *file*."""
    text, count = re.subn(pattern, new, file.read_text())
    assert count == 1
    file.write_text(text)


def test_this_version_has_samples() -> None:
    assert version("strongroom") in VERSIONS, WRITTEN


def outline(file: Path) -> object:
    """Return what a newly written sample has in common with *file*: not its random bytes."""
    if file.suffix == ".json":
        return _shape(json.loads(file.read_text()))
    if file.suffix == ".sql":
        return [line for line in file.read_text().splitlines() if "INSERT" not in line]
    return file.read_text()


def _shape(value: Any) -> object:
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return [_shape(each) for each in value] if isinstance(value, list) else type(value).__name__


def test_samples_of_this_version_are_as_it_writes_them(tmp_path: Path) -> None:
    stored = samples.COMPAT / version("strongroom")
    samples.write_samples(tmp_path / "now")

    def outlines(folder: Path) -> dict[str, object]:
        files = [file for file in folder.rglob("*") if file.is_file()]
        return {str(file.relative_to(folder)): outline(file) for file in files}

    assert outlines(tmp_path / "now") == outlines(stored), WRITTEN


class TestDeployment:
    """Folder of a local deployment."""

    def test_every_file_is_read(self, sample: Path) -> None:
        layout = Layout(sample / "deployment")
        unit = layout.agent(samples.SCOPE)
        folder_format.check(layout)
        ports, state = port_file.read(layout), read_state(unit)
        record = Record.from_json(json.loads((layout.run / "vault.json").read_text()))
        assert (ports and ports.vault, state and state.pid, record.pid) == (8200, 4322, 4321)
        assert UnitFile.read(unit / "run.json").parse().starter.scope.service == "gaara-store"

    def test_folder_without_a_format_is_one_of_before_there_were_formats(
        self, sample: Path
    ) -> None:
        layout = Layout(sample / "deployment")
        layout.format.unlink()
        folder_format.check(layout)

    def test_newer_folder_is_refused(self, sample: Path) -> None:
        layout = Layout(sample / "deployment")
        layout.format.write_text(newer(formats.FOLDER))
        with pytest.raises(ConfigurationError, match="install a newer strongroom"):
            folder_format.check(layout)

    def test_newer_configuration_of_a_unit_is_refused(self, sample: Path) -> None:
        file = Layout(sample / "deployment").agent(samples.SCOPE) / "run.json"
        replace_in(file, '"service"', f'"format": {newer(formats.RUN_FILE)}, "service"')
        with pytest.raises(ConfigurationError, match="install a newer strongroom"):
            UnitFile.read(file).parse()


class TestDeclaration:
    """Repository of a deployment."""

    def test_repository_is_read(self, sample: Path) -> None:
        found = repository.read(sample / "repository")
        assert found.deployment == samples.DEPLOYMENT
        assert list(found.load().services) == ["parcels"]

    def test_newer_repository_is_refused(self, sample: Path) -> None:
        file = sample / "repository" / "strongroom.yaml"
        replace_in(file, r"format: \d+", f"format: {newer(formats.REPOSITORY)}")
        with pytest.raises(DeclarationError, match="install a newer strongroom"):
            repository.read(sample / "repository")


class TestPlanFile:
    """Plan saved with ``plan --out``."""

    def test_plan_is_read(self, sample: Path) -> None:
        saved = plan_file.load(sample / "plan.json")
        assert [each["action"] for each in saved.changes] == ["create"]

    def test_newer_plan_is_refused(self, sample: Path) -> None:
        file = sample / "plan.json"
        replace_in(file, r'"format": \d+', f'"format": {newer(formats.PLAN_FILE)}')
        with pytest.raises(ConfigurationError, match="install a newer strongroom"):
            plan_file.load(file)


class TestBackup:
    """Facts in a backup of a database, and the manifest of a folder."""

    def test_facts_and_manifest_are_read(self, sample: Path) -> None:
        facts = DatabaseFacts.from_json((sample / "backup" / "facts.json").read_bytes())
        manifest = Manifest.from_json((sample / "backup" / "manifest.json").read_text())
        assert facts.rows == 3
        assert [entry.rows for entry in manifest.entries.values()] == [3]

    def test_newer_facts_and_manifest_are_refused(self, sample: Path) -> None:
        facts, manifest = (sample / "backup" / f"{name}.json" for name in ("facts", "manifest"))
        for file in (facts, manifest):
            replace_in(file, r'"format": \d+', f'"format": {newer(formats.BACKUP)}')
        with pytest.raises(RestoreRefused, match="install a newer strongroom"):
            DatabaseFacts.from_json(facts.read_bytes())
        with pytest.raises(BackupFailed, match="install a newer strongroom"):
            Manifest.from_json(manifest.read_text())


class TestArchive:
    """Chain of an archive of audit logs."""

    def test_entries_are_read(self, sample: Path) -> None:
        chain = ChainFile(sample / "audit").read()
        assert (chain.findings, len(chain.entries), chain.deleted) == ((), 2, frozenset({1}))

    def test_newer_entry_is_refused_and_not_continued(self, sample: Path) -> None:
        file = sample / "audit" / "chain.jsonl"
        first, second = file.read_text().splitlines(keepends=True)
        number = newer(formats.AUDIT_CHAIN)
        file.write_text(first + second.replace('"format":1', f'"format":{number}'))
        with pytest.raises(ArchiveFailed, match="install a newer strongroom"):
            ChainFile(file.parent).repair()


class Server(dict[str, Any]):
    """Session that reads the recorded bodies."""

    def get(self, path: str, default: object = None) -> Any:  # noqa: ARG002 (a dict's)
        return {"data": self[path]}

    def list(self, path: str) -> list[str]:
        raise AssertionError(path)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        raise AssertionError(path, body)


OWNER: Final = Owner(Environment.DEV, samples.DEPLOYMENT)
SECRET: Final = SecretMetadata(samples.SCOPE.secret("api-key"), {DEPLOYMENT: samples.DEPLOYMENT})
GROUP: Final = Group("people", (), "oidc", "developers", samples.DEPLOYMENT)
#: Object with a mark → the owner that this version reads from it.
MARKS: Final[dict[str, Callable[[Any], Any]]] = {
    "entry": lambda server: OWNER.entry("approle", str(samples.SCOPE)).read(server)[DEPLOYMENT],
    "secret": lambda server: (SECRET.read(server) or {})[DEPLOYMENT],
    "group": lambda server: (GROUP.read(server) or {})[MARKED_BY],
    "policy": lambda server: (Policy(str(samples.SCOPE), "").read(server) or {})[MARKED_BY],
    "password policy": lambda server: (
        PasswordPolicy("shop-passwords", 32, symbols=False).read(server) or {}
    )[MARKED_BY],
}


@pytest.mark.parametrize("kind", MARKS)
class TestMarks:
    """Ownership metadata, and marks in objects."""

    def test_mark_is_read(self, sample: Path, kind: str) -> None:
        server = Server(json.loads((sample / "marks.json").read_text()))
        assert MARKS[kind](server) == samples.DEPLOYMENT

    def test_newer_mark_is_refused(self, sample: Path, kind: str) -> None:
        text = (sample / "marks.json").read_text()
        number = newer(formats.MARK)
        text = text.replace('"deployment":', f'"managed_format": "{number}", "deployment":')
        text = text.replace("deployment=shop", f"deployment=shop managed_format={number}")
        with pytest.raises(
            UnreadableMark, match=r"install a newer strongroom\. Nothing was written"
        ):
            MARKS[kind](Server(json.loads(text)))


def tokens(sample: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((sample / "tokens.json").read_text())
    return found


class TestKeysAndTokens:
    """Tables and file of keys, and the tokens that need them."""

    def test_tokens_and_index_values_are_read(self, sample: Path, engine: Engine) -> None:
        stored = tokens(sample)
        file, table = FileDataKeys(sample / "data_keys.json"), TableDataKeys(engine)
        for store, name in ((file, "keyring of the file"), (table, "keyring of the table")):
            token = bytes.fromhex(stored[name])
            found = samples.cipher(store).decrypt_field(token, samples.CONTEXT)
            assert found == samples.VALUE
        text = samples.cipher().decrypt_field(stored["text"], samples.CONTEXT)
        email = samples.indexes(TableIndexKeys(engine)).index(
            samples.INDEX, rows=samples.ROWS, normalise="email"
        )
        assert text == samples.VALUE
        assert [value.hex() for value in email.candidates(samples.VALUE)] == [stored["blind index"]]

    def test_newer_file_of_data_keys_is_refused(self, sample: Path) -> None:
        file = sample / "data_keys.json"
        rows = json.loads(file.read_text())
        file.write_text(json.dumps({"format": formats.KEYS.current + 1, "keys": rows}))
        with pytest.raises(KeyUnavailable, match="install a newer strongroom-sdk"):
            FileDataKeys(file).get([1])

    @pytest.mark.parametrize(
        ("table", "read"),
        [
            ("data_keys", lambda engine: TableDataKeys(engine).list_by_scope("parcels/dev/pii")),
            (
                "index_keys",
                lambda engine: TableIndexKeys(engine).versions("parcels/dev", samples.INDEX),
            ),
        ],
    )
    def test_newer_row_is_refused(
        self, sample: Path, engine: Engine, table: str, read: Callable[[Engine], object]
    ) -> None:
        mark = bytes(4) + (formats.KEYS.current + 1).to_bytes(4, "big")
        with closing(sqlite3.connect(sample / "tables.sqlite")) as connection, connection:
            connection.execute(f"UPDATE {table} SET wrapped = ?", (mark,))
        with pytest.raises(KeyUnavailable, match="install a newer strongroom-sdk"):
            read(engine)

    def test_newer_token_is_refused(self, sample: Path, engine: Engine) -> None:
        stored, cipher = tokens(sample), samples.cipher(TableDataKeys(engine))
        text = f"sr{newer(formats.TEXT_TOKEN)}.{stored['text'].partition('.')[2]}"
        keyring = bytearray.fromhex(stored["keyring of the table"])
        keyring[0] += 1  # the suite, in the low half
        for token in (text, bytes(keyring)):
            with pytest.raises(DecryptionFailed, match="or a newer strongroom-sdk wrote it"):
                cipher.decrypt_field(token, samples.CONTEXT)
