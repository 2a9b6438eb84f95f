"""Moving of stored keys between Transit and KMS: its command, and a kill at each step."""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from app_integration.auth.methods import StaticToken
from app_integration.aws.connection import AwsConnection
from app_integration.client import Client
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.rewrap import rewrap_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.keys.services.combined import find_backend
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import ConfigurationError, DecryptionFailed
from app_integration.host_commands.inspect_file import inspect
from app_integration.host_commands.migrate_keys import migrate
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Settings
from tests.support.processes.killed_steps import Killer, run_killed
from tests.support.servers.deployment import Deployment
from tests.support.servers.key_sites import LIMITS
from tests.support.servers.moto_server import REGION, MotoServer, set_identity
from tests.support.servers.secret_backends import PATIENT

pytestmark = pytest.mark.requires("embedded")

STORE = Scope("gaara-store", Environment.DEV)
#: Numbers of the keys, because a key is never deleted during a test run.
NUMBERS = itertools.count(1)
DATA_KEYS, INDEX_KEYS, INDEX = "moved_data_keys", "moved_index_keys", "moved.email"
CONTEXT = {"user_id": 7}
BOTH_WAYS = pytest.mark.parametrize(("source", "target"), [("vault", "aws"), ("aws", "vault")])


@dataclass
class Site:
    """A service with a key on both backends, and its stored keys in PostgreSQL."""

    settings: Settings
    token: Secret
    aws: AwsConnection
    name: str
    url: str = field(repr=False)

    def __post_init__(self) -> None:
        self.engine = create_engine(self.url)
        self.data_keys = TableDataKeys(self.engine, DATA_KEYS)
        self.index_keys = TableIndexKeys(self.engine, INDEX_KEYS)

    def client(self, backend: str, *, alone: bool = False) -> Client:
        """Return the client of another process, which knows the other backend unless *alone*."""
        settings = replace(self.settings, backend=backend)
        if alone and backend == "vault":
            settings = replace(settings, kms_keys=())
        if alone and backend == "aws":
            settings = replace(settings, vault_addr="")
        session = Session(self.settings.vault_addr, StaticToken(self.token))
        return Client(settings, session=session, aws=self.aws)

    def service(self, backend: str, *, alone: bool = False) -> KeyService:
        return self.client(backend, alone=alone).key_services.open(self.name)

    def cipher(self, backend: str, *, alone: bool = False) -> FieldCipher:
        service = self.service(backend, alone=alone)
        return FieldCipher(service, STORE, self.name, data_keys=self.data_keys)

    def index(self, backend: str, *, alone: bool = False) -> Any:
        service = self.service(backend, alone=alone)
        return BlindIndexes(service, self.index_keys, STORE).index(INDEX, rows=1_000_000)

    def fill(self, backend: str, keys: int) -> tuple[list[Any], bytes]:
        """Return tokens under as many data keys, and an index value."""
        self.index(backend).create()
        tokens = [self.cipher(backend).encrypt_field("sand", CONTEXT) for _ in range(keys)]
        return tokens, self.index(backend).value("ada@example.com")

    def reads(self, backend: str, tokens: list[Any], value: bytes, *, alone: bool = False) -> bool:
        """Return whether a new process reads all of *tokens*, and computes *value*."""
        cipher, index = self.cipher(backend, alone=alone), self.index(backend, alone=alone)
        found = cipher.decrypt_many([(token, CONTEXT) for token in tokens]).values()
        return found == ["sand"] * len(tokens) and index.value("ada@example.com") == value

    def count(self) -> Counter[str]:
        """Return how many stored keys each backend has wrapped."""
        data = self.data_keys.list_by_scope(f"{STORE.service}/dev/{self.name}")
        index = self.index_keys.versions(f"{STORE.service}/dev", INDEX)
        wrapped = [row.wrapped for row in data] + [row.wrapped for row in index]
        return Counter(map(find_backend, wrapped))

    def move(self, target: str, killer: Killer | None = None) -> None:
        """Move all stored keys to *target*, as the command does."""
        service = self.service(target)
        if killer is not None:
            killer.watch(service, "wrap", "unwrap", "rewrap")
            killer.watch(self.data_keys, "rewrap")
            killer.watch(self.index_keys, "replace")
        FieldCipher(service, STORE, self.name, data_keys=self.data_keys).rewrap_data_keys()
        rewrap_index_keys(service, self.index_keys, STORE, INDEX)

    def keep(self) -> None:
        """Copy the stored keys, for :meth:`restore`."""
        with self.engine.begin() as connection:
            for table in (DATA_KEYS, INDEX_KEYS):
                connection.execute(text(f"CREATE TABLE kept_{table} AS TABLE {table}"))

    def restore(self) -> None:
        with self.engine.begin() as connection:
            for table in (DATA_KEYS, INDEX_KEYS):
                connection.execute(text(f"DELETE FROM {table}"))
                connection.execute(text(f"INSERT INTO {table} TABLE kept_{table}"))


@pytest.fixture
def site(
    deployment: Deployment,
    moto: MotoServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """Yield a site with a new key, and empty tables."""
    name = f"moved-{next(NUMBERS)}"
    deployment.operator.post(f"transit/keys/{STORE.key(name)}", {"derived": True})
    kms = moto.client("kms")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/{STORE.key(name)}", TargetKeyId=key["KeyId"])
    settings = replace(
        deployment.settings, aws_region=REGION, kms_keys=(key["Arn"],), limits=LIMITS
    )
    accounts = deployment.local.service("gaara-store").access.require_database()
    set_identity(monkeypatch)
    # Patient, because each child that is killed builds its clients again after the fork.
    aws = moto.connection(PATIENT)
    with deployment.token("strongroom-apply") as token, closing(aws):
        site = Site(settings, token, aws, name, accounts.url().reveal())
        site.data_keys.create()
        site.index_keys.create()
        yield site
    tables = ", ".join(f"{table}, kept_{table}" for table in (DATA_KEYS, INDEX_KEYS))
    with site.engine.begin() as connection:
        connection.execute(text(f"DROP TABLE IF EXISTS {tables}"))
    site.engine.dispose()


@BOTH_WAYS
def test_keys_move_while_both_are_read_and_then_need_one_backend_only(
    site: Site, source: str, target: str
) -> None:
    tokens, value = site.fill(source, 3)
    options = Namespace(
        source=source,
        target=target,
        key=site.name,
        data_keys=[DATA_KEYS],
        index_keys=[INDEX_KEYS],
        role=None,
        count=True,
    )
    with closing(site.client("vault")) as client:
        counted = [*migrate(client, options)]
        assert site.count() == {source: 4}
        options.count = False
        moved = [*migrate(client, options)]
        assert [*migrate(client, options)] == moved
    assert counted == [
        f"3 {DATA_KEYS}, {source}",
        f"0 {DATA_KEYS}, {target}",
        f"1 {INDEX_KEYS}, {source}",
        f"0 {INDEX_KEYS}, {target}",
    ]
    assert moved == [
        f"0 {DATA_KEYS}, {source}",
        f"3 {DATA_KEYS}, {target}",
        f"0 {INDEX_KEYS}, {source}",
        f"1 {INDEX_KEYS}, {target}",
    ]
    assert site.count() == {target: 4}
    for backend in (source, target):
        assert site.reads(backend, tokens, value)
    assert site.reads(target, tokens, value, alone=True)
    with pytest.raises(DecryptionFailed):
        site.cipher(source, alone=True).decrypt_field(tokens[0], CONTEXT)


def test_data_keys_move_under_branch_keys_and_back_and_to_the_other_backend(site: Site) -> None:
    tokens = [site.cipher("aws").encrypt_field("sand", CONTEXT) for _ in range(3)]

    def move(source: str, target: str) -> list[str]:
        options = Namespace(
            source=source,
            target=target,
            key=site.name,
            data_keys=[DATA_KEYS],
            index_keys=None,
            role=None,
            count=False,
        )
        with closing(site.client("vault")) as client:
            lines = [*migrate(client, options)]
        found = site.cipher("aws").decrypt_many([(token, CONTEXT) for token in tokens])
        assert found.values() == ["sand"] * 3
        return lines

    assert move("aws", "branch") == [f"0 {DATA_KEYS}, aws", f"3 {DATA_KEYS}, branch"]
    assert move("aws", "vault") == [f"0 {DATA_KEYS}, aws", f"1 {DATA_KEYS}, vault"]
    assert site.cipher("vault", alone=True).decrypt_field(tokens[0], CONTEXT) == "sand"
    assert move("branch", "vault") == [f"0 {DATA_KEYS}, branch", f"3 {DATA_KEYS}, vault"]
    assert move("vault", "aws") == [f"0 {DATA_KEYS}, vault", f"4 {DATA_KEYS}, aws"]


@BOTH_WAYS
def test_text_token_and_file_move_by_a_rewrap_of_their_own(
    site: Site, tmp_path: Path, source: str, target: str
) -> None:
    client = site.client(source)
    client.use_data_keys(None)
    token: Any = client.cipher(site.name).encrypt_field("sand", CONTEXT)
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    plain.write_bytes(b"dune")
    client.files(site.name).encrypt_file(plain, sealed)
    mover = site.client(target)
    assert mover.cipher(site.name).needs_rewrap(token)
    moved = mover.cipher(site.name).rewrap(token)
    assert not mover.cipher(site.name).needs_rewrap(moved)
    mover.files(site.name).rewrap(sealed)
    after = site.client(target, alone=True)
    assert after.cipher(site.name).decrypt_field(moved, CONTEXT) == "sand"
    after.files(site.name).decrypt_file(sealed, opened)
    assert opened.read_bytes() == b"dune"
    (version,) = inspect(sealed)["key_versions"].values()
    assert version == (site.settings.kms_keys[0] if target == "aws" else 1)


@pytest.mark.parametrize(("source", "missing"), [("vault", "aws"), ("aws", "vault")])
def test_backend_that_is_not_configured_stops_the_command_before_any_request(
    site: Site, source: str, missing: str
) -> None:
    options = Namespace(source=source, target=missing, key=site.name, data_keys=[DATA_KEYS])
    with (
        closing(site.client(source, alone=True)) as client,
        pytest.raises(ConfigurationError, match=f"on the backend {missing}, which is not"),
    ):
        [*migrate(client, options)]


def move_and_die(site: Site, target: str, steps: int) -> bool:
    """Move the keys in a child that is killed at a step; return whether it ended before."""
    site.engine.dispose()
    return run_killed(lambda: site.move(target, Killer(steps)))


@pytest.mark.parametrize(
    ("source", "target"),
    [("vault", "aws"), pytest.param("aws", "vault", marks=pytest.mark.nightly)],
)
def test_kill_at_each_step_loses_nothing_and_the_next_run_goes_on(
    site: Site, source: str, target: str
) -> None:
    tokens, value = site.fill(source, 2)
    site.keep()
    moved: list[int] = []
    while not move_and_die(site, target, len(moved) + 1):
        found = site.count()
        assert found.total() == 3
        assert site.reads(source, tokens, value)
        site.move(target)
        assert site.count() == {target: 3}
        assert site.reads(target, tokens, value, alone=True)
        moved.append(found[target])
        site.restore()
    assert moved == sorted(moved)
    assert {*moved} == {0, 1, 2, 3}
    assert len(moved) > 10


def test_no_data_key_is_written_to_a_file_or_a_log(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    site.fill("vault", 1)
    (row,) = site.data_keys.list_by_scope(f"{STORE.service}/dev/{site.name}")
    service, scope = site.service("aws"), site.cipher("aws").keyring.scope.bound
    (key,) = service.unwrap([row.wrapped], scope)
    assert key is not None
    caplog.set_level("DEBUG")
    assert site.cipher("aws").rewrap_data_keys() == 1
    assert [*tmp_path.iterdir()] == []
    assert key.hex() not in caplog.text
    assert repr(key)[2:-1] not in caplog.text
