"""Rotation of Transit keys on a real server, with what an application has stored in PostgreSQL."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app_integration import database_engine
from app_integration.auth.methods import StaticToken
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.services.vault import VaultKeyService
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import AccessDenied, ConfigurationError, DecryptionFailed
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from console.target.checkout import Checkout
from tests.integration.rotation.site import RotatedSite
from tests.support.models.rotations import (
    build_rotation,
    change_service,
    dev_context,
)
from tests.support.polling import wait_until
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment
from vault.declare.declaration import Declaration
from vault.declare.schema.keys import TransitKey
from vault.rotation.consumers.evidence_type import Proof
from vault.rotation.context import RotationContext
from vault.rotation.hooks import HookFailed
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Step
from vault.rotation.rotation import Rotation

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

STORE = Scope("gaara-store", Environment.DEV)
#: Numbers of the keys, because a key is never deleted during a test run.
NUMBERS = itertools.count(1)
#: Hooks that keep their state in files: `left` has what count prints, and rewrap empties it.
SCRIPTS = {
    "rewrap": 'echo "rewrap $STRONGROOM_KEY_VERSION" >> calls; [ ! -e stuck ] || exit 0; '
    "echo '0 orders' > left",
    "count": 'echo "count $(cat)" >> calls; cat left',
}


@dataclass
class Site(RotatedSite):
    """Rotations of a key that only this test declares, or of a declared one."""

    deployment: Deployment
    folder: Path
    scope: Scope
    name: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    every: int | None = 86_400 * 90
    fields: dict[str, Any] = field(default_factory=dict)
    restores = False  # the newest version encrypts

    @property
    def address(self) -> str:
        return self.deployment.settings.vault_addr

    def current(self) -> int:
        return self.versions()[0]

    def is_accepted(self, value: int) -> bool:
        newest, oldest = self.versions()
        return oldest <= value <= newest

    def is_alone(self) -> bool:
        newest, oldest = self.versions()
        return newest == oldest

    def created(self) -> int:
        return self.versions()[0]

    @property
    def key(self) -> str:
        return self.scope.key(self.name)

    @property
    def declaration(self) -> Declaration:
        declaration = self.deployment.local.declaration
        key = TransitKey.model_validate({"allow": ("encrypt", "decrypt"), **self.fields})
        keys = {**declaration.services[self.scope.service].keys, self.name: key}
        return change_service(declaration, self.scope.service, keys=keys)

    def context(self, session: Session) -> RotationContext:
        return dev_context(self.declaration, session, lambda: self.now, self.folder)

    def rotation(self, session: Session | None = None) -> Rotation:
        context = self.context(session or self.deployment.operator)
        item = Item(Kind.KEY, self.scope.service, self.name, self.key, self.every, is_declared=True)
        return build_rotation(context, item)

    def rotate_by_itself(self) -> None:
        """Rotate the key as the server does when its period ends."""
        self.deployment.operator.post(f"transit/keys/{self.key}/rotate")

    def versions(self) -> tuple[int, int]:
        """Return the newest version, and the oldest one that decrypts."""
        found = self.deployment.operator.get(f"transit/keys/{self.key}")["data"]
        return found["latest_version"], found["min_decryption_version"]

    def use_hooks(self, left: str, *names: str) -> None:
        """Declare hooks of :data:`SCRIPTS`, and what the first count prints."""
        (self.folder / "left").write_text(left)
        self.fields["hooks"] = {name: ("sh", "-c", SCRIPTS[name]) for name in names}

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def remove_record(self) -> None:
        path = f"_strongroom/dev/rotation/key/{self.key}"
        self.deployment.operator.delete(f"secret/metadata/{path}")


WINDOW = timedelta(days=1)


@pytest.fixture
def site(deployment: Deployment, tmp_path: Path) -> Iterator[Site]:
    """Yield a site with a key of one version."""
    site = Site(deployment, tmp_path, STORE, f"rotated-{os.getpid()}-{next(NUMBERS)}")
    path = f"transit/keys/{site.key}"
    deployment.operator.post(path, {"derived": True})
    yield site
    site.remove_record()
    deployment.operator.post(f"{path}/config", {"deletion_allowed": True})
    deployment.operator.delete(path)


def test_key_without_retire_after_is_rotated_and_old_versions_decrypt_on(site: Site) -> None:
    site.use_hooks("3 orders\n", "rewrap", "count")
    result = site.rotation().run()
    assert (result.record.step, result.record.old, result.record.new) == (Step.DONE, "1", "2")
    assert site.versions() == (2, 1)
    assert site.calls() == ["count 2", "rewrap 2", "count 2"]
    assert result.evidence is not None
    assert result.evidence.proof is Proof.COUNT
    assert [str(each) for each in result.evidence.moved] == [
        "orders: 0 ciphertexts below version 2"
    ]
    assert "old versions decrypt for ever" in result.evidence.notes[0]


def test_key_waits_for_ciphertexts_and_names_their_place(site: Site) -> None:
    site.use_hooks("0 mails\n3 orders\n", "rewrap", "count")
    site.fields["retire_after"] = "2d"
    (site.folder / "stuck").touch()
    site.rotation().run()
    site.now += timedelta(days=3)
    waiting = site.rotation().run()
    assert (waiting.record.step, site.versions()) == (Step.CONSUMERS, (2, 1))
    assert waiting.evidence is not None
    (held,) = waiting.evidence.waiting
    assert str(held) == "orders: 3 ciphertexts below version 2"
    (site.folder / "stuck").unlink()
    assert site.rotation().run().record.step is Step.DONE
    assert site.versions() == (2, 2)


def test_key_is_retired_when_no_process_writes_with_an_old_data_key_any_more(site: Site) -> None:
    site.use_hooks("0\n", "count")
    site.fields["retire_after"] = "1h"
    site.rotation().run()
    site.now += WINDOW - timedelta(seconds=1)
    assert site.rotation().run().record.step is Step.CONSUMERS
    site.now += timedelta(seconds=1)
    assert site.rotation().run().record.step is Step.DONE
    assert site.versions() == (2, 2)


def test_key_without_a_count_is_never_retired(site: Site) -> None:
    site.use_hooks("", "rewrap")
    site.fields["retire_after"] = "1h"
    site.rotation().run()
    site.now += timedelta(days=400)
    waiting = site.rotation().run()
    assert (waiting.record.step, site.versions()) == (Step.CONSUMERS, (2, 1))
    assert waiting.evidence is not None
    assert str(waiting.evidence.waiting[0]) == "what the application has stored: is not counted"
    assert "declare the hook count" in waiting.evidence.notes[1]


@pytest.mark.parametrize("printed", ["", "none\n", "-1 orders\n", "0 orders\nfailed\n"])
def test_hook_that_prints_no_count_stops_the_rotation(site: Site, printed: str) -> None:
    site.use_hooks(printed, "count")
    with pytest.raises(ConfigurationError, match="the hook count printed no count"):
        site.rotation().run()
    assert site.versions() == (2, 1)


def test_failed_rewrap_stops_the_rotation_and_the_next_run_repeats_it(site: Site) -> None:
    site.use_hooks("1 orders\n", "rewrap", "count")
    broken = {**site.fields["hooks"], "rewrap": ("sh", "-c", "echo no database >&2; exit 1")}
    good, site.fields["hooks"] = site.fields["hooks"], broken
    with pytest.raises(HookFailed, match="no database"):
        site.rotation().run(is_compromised=True)
    assert site.versions() == (2, 1)
    site.fields["hooks"] = good
    assert site.rotation().run().record.step is Step.DONE
    assert site.versions() == (2, 2)


def test_compromised_key_is_retired_whatever_the_count(site: Site) -> None:
    site.use_hooks("7 orders\n", "count")
    result = site.rotation().run(is_compromised=True)
    assert result.record.step is Step.DONE
    assert site.versions() == (2, 2)
    assert result.evidence is not None
    assert str(result.evidence.waiting[0]) == "orders: 7 ciphertexts below version 2"
    assert f"min_decryption_version of the key {site.key} is lowered" in result.evidence.notes[0]


def test_version_of_the_server_is_adopted_and_not_rotated_again(site: Site) -> None:
    site.rotation().run()
    site.rotate_by_itself()
    site.rotate_by_itself()
    adopted = site.rotation().run().record
    assert (adopted.step, adopted.old, adopted.new) == (Step.DONE, "2", "4")
    assert site.rotation().run().record.new == "5"
    site.rotate_by_itself()
    site.now += timedelta(days=100)
    assert site.rotation().run().record.new == "7"  # because version 6 was overdue itself


def test_adopted_version_is_replaced_if_it_is_compromised(site: Site) -> None:
    site.rotate_by_itself()
    record = site.rotation().run(is_compromised=True).record
    assert (record.new, site.versions()) == ("3", (3, 3))


def test_undone_rotation_keeps_all_versions_and_the_next_one_adopts_the_new(site: Site) -> None:
    site.use_hooks("1 orders\n", "count")
    site.rotation().run()
    assert site.rotation().undo().step is Step.UNDONE
    assert site.versions() == (2, 1)
    site.deployment.operator.post(f"transit/keys/{site.key}/config", {"min_encryption_version": 1})
    body = {"plaintext": "", "context": "YQ=="}
    found = site.deployment.operator.post(f"transit/encrypt/{site.key}", body)
    assert found["data"]["ciphertext"].startswith("vault:v2:")  # no older version can be chosen
    site.use_hooks("0 orders\n", "count")
    record = site.rotation().run().record
    assert (record.step, record.old, record.new) == (Step.DONE, "1", "2")


def test_retired_version_decrypts_again_after_one_request(site: Site) -> None:
    operator = site.deployment.operator
    cipher = FieldCipher(VaultKeyService(operator.post, site.key), STORE, site.name)
    token = cipher.encrypt_field("forgotten")
    site.rotation().run(is_compromised=True)
    fresh = FieldCipher(VaultKeyService(operator.post, site.key), STORE, site.name)
    with pytest.raises(DecryptionFailed):
        fresh.decrypt_field(token)
    operator.post(f"transit/keys/{site.key}/config", {"min_decryption_version": 1})
    assert fresh.decrypt_field(token) == "forgotten"


DATA_KEYS, INDEX_KEYS = "rotated_data_keys", "rotated_index_keys"


@dataclass
class Application:
    """An application whose keys are in PostgreSQL, with processes that read and write rows."""

    session: Session
    site: Site
    engine: Engine
    stop: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list)
    requests: int = 0

    def __post_init__(self) -> None:
        self.data_keys = TableDataKeys(self.engine, DATA_KEYS)
        self.index_keys = TableIndexKeys(self.engine, INDEX_KEYS)
        self.data_keys.create()
        self.index_keys.create()
        self.index().create()
        self.tokens = [self.cipher().encrypt_field("kept", {"id": row}) for row in range(3)]

    def service(self) -> VaultKeyService:
        return VaultKeyService(self.session.post, self.site.key)

    def cipher(self) -> FieldCipher:
        """Return the cipher of another process."""
        name = self.site.name
        return FieldCipher(self.service(), STORE, name, data_keys=self.data_keys)

    def index(self) -> BlindIndex:
        """Return the index of another process."""
        indexes = BlindIndexes(self.service(), self.index_keys, STORE)
        return indexes.index("rotated.email", rows=1_000_000)

    def run(self) -> None:
        """Read and write as processes that have just started do, until :attr:`stop` is set."""
        try:
            value = self.index().value("ada@example.com")
            while not self.stop.is_set():
                cipher = self.cipher()
                row = self.requests % len(self.tokens)
                assert cipher.decrypt_field(self.tokens[row], {"id": row}) == "kept"
                token = cipher.encrypt_field("new", {"id": row})
                assert self.cipher().decrypt_field(token, {"id": row}) == "new"
                assert self.index().value("ada@example.com") == value
                self.requests += 1
                self.stop.wait(0.02)
        except BaseException as error:  # noqa: BLE001 (the test reports it)
            self.failures.append(error)

    def hook(self, token_file: Path, *options: str) -> tuple[str, ...]:
        """Return a hook that runs the host command as the application."""
        variables = {**self.site.deployment.variables, "STRONGROOM_AUTH": "token"}
        variables["STRONGROOM_TOKEN_FILE"] = str(token_file)
        stores = ("--data-keys", DATA_KEYS, "--index-keys", INDEX_KEYS)
        command = (sys.executable, "-m", "app_integration", "rewrap-keys", "--key", self.site.name)
        assigned = (f"{name}={value}" for name, value in variables.items())
        return ("env", *assigned, *command, *stores, *options)


@pytest.fixture
def application(deployment: Deployment, site: Site) -> Iterator[Application]:
    """Yield an application with stored keys, and hooks that run the command of its host."""
    engine = database_engine(pool_size=4)
    with (
        deployment.token("strongroom-apply") as token,
        Session(deployment.settings.vault_addr, StaticToken(token)) as session,
    ):
        file = site.folder / "token"
        file.write_text(token.reveal())
        file.chmod(0o600)
        application = Application(session, site, engine)
        rewrap, count = application.hook(file), application.hook(file, "--count", "--below", "-")
        site.fields |= {"retire_after": "2d", "hooks": {"rewrap": rewrap, "count": count}}
        yield application
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {DATA_KEYS}, {INDEX_KEYS}"))


def test_keys_of_an_application_are_rewrapped_while_its_processes_read_and_write(
    application: Application, site: Site
) -> None:
    threads = [threading.Thread(target=application.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: application.requests or application.failures, "a request")
    site.rotation().run()
    site.now += timedelta(days=3)
    result = site.rotation().run()
    assert site.versions() == (2, 2)
    reached = application.requests + 5
    wait_until(lambda: application.requests >= reached or application.failures, "more requests")
    application.stop.set()
    for thread in threads:
        thread.join(60)
    assert application.failures == []
    assert application.requests > 5
    assert result.record.step is Step.DONE
    assert result.evidence is not None
    moved = sorted(str(each) for each in result.evidence.moved)
    assert moved == [f"{table}: 0 ciphertexts below version 2" for table in (DATA_KEYS, INDEX_KEYS)]


def test_key_waits_for_a_row_that_cannot_be_moved_and_names_the_table(
    application: Application, site: Site
) -> None:
    assert len(application.data_keys.list_by_scope(f"gaara-store/dev/{site.name}")) == 3
    del site.fields["hooks"]["rewrap"]
    waiting = site.rotation().run()
    assert (waiting.record.step, site.versions()) == (Step.CONSUMERS, (2, 1))
    assert waiting.evidence is not None
    assert sorted(str(each) for each in waiting.evidence.waiting) == [
        f"{DATA_KEYS}, version 1: 3 ciphertexts below version 2",
        f"{INDEX_KEYS}, version 1: 1 ciphertext below version 2",
    ]


def test_operator_counts_stored_keys_by_version(
    application: Application, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment, declaration = application.site.deployment, application.site.declaration
    monkeypatch.setattr(Checkout, "find_declaration", lambda _: declaration)
    target = ("--service", "gaara-store", "--env", "dev", "--root", str(deployment.layout.root))
    stores = ("--data-keys", DATA_KEYS, "--index-keys", INDEX_KEYS)
    arguments = ("rewrap-keys", *target, "--key", application.site.name, *stores, "--count")
    assert run_command(monkeypatch, *arguments) == 0
    counted = [f"3 {DATA_KEYS}, version 1", f"1 {INDEX_KEYS}, version 1"]
    assert capsys.readouterr().out.splitlines() == counted
    assert run_command(monkeypatch, *arguments, "--below", "1") == 0
    assert capsys.readouterr().out.splitlines() == [f"0 {DATA_KEYS}", f"0 {INDEX_KEYS}"]


def test_rotator_cannot_change_what_else_a_key_is_configured_with(key_site: Site) -> None:
    with key_site.deployment.token("strongroom-rotator") as token:
        address = key_site.deployment.settings.vault_addr
        with Session(address, StaticToken(token)) as rotator:
            for name in ("exportable", "deletion_allowed", "allow_plaintext_backup"):
                with pytest.raises(AccessDenied):
                    rotator.post(f"transit/keys/{key_site.key}/config", {name: True})
            with pytest.raises(AccessDenied):
                rotator.post(f"transit/keys/{key_site.key}/trim", {"min_available_version": 1})
