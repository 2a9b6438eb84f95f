"""Rotation of the key of a blind index by an application's hooks, with real rows in PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app_integration import database_engine
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.services.vault import VaultKeyService
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.integration.rotation.site import RotatedSite
from tests.support.models.rotations import (
    build_rotation,
    change_service,
    dev_context,
)
from tests.support.servers.deployment import Deployment
from vault.declare.schema.keys import IndexDeclaration
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Step
from vault.rotation.rotation import Rotation

pytestmark = [
    pytest.mark.requires("embedded"),
    pytest.mark.usefixtures("default_client_on_server", "index_record"),
]

STORE = Scope("gaara-store", Environment.DEV)
INDEX, KEYS, ROWS = "rotated.mail", "rotated_mail_keys", "rotated_mail"
ITEM = Item(Kind.INDEX_KEY, "gaara-store", INDEX, f"gaara-store/dev/{INDEX}", 86_400, True)
#: An application with two files: the live versions, and how many values are of an old one.
HOOKS = {
    "rotate": "exec 9> lock; flock 9; "  # two operators may call it at once
    "[ $(wc -l < live) -gt 1 ] || echo $(($(tail -1 live) + 1)) >> live; "
    "echo 2 > old; tail -1 live",
    "rewrite": "echo 0 > old",
    "count": "echo $(cat old) mails",
    "retire": "read version; grep -vx $version live > left; mv left live",
}


def rotation(
    deployment: Deployment,
    folder: Path,
    session: Session,
    hooks: Mapping[str, tuple[str, ...]],
    clock: Callable[[], datetime],
) -> Rotation:
    declared = IndexDeclaration.model_validate({"hooks": hooks})
    declaration = deployment.local.declaration
    declaration = change_service(declaration, "gaara-store", indexes={INDEX: declared})
    context = dev_context(declaration, session, clock, folder)
    return build_rotation(context, ITEM)


class HookedIndex(RotatedSite):
    """An index whose hooks keep its live versions in a file."""

    restores = False  # the newest version is written with

    def __init__(self, deployment: Deployment, folder: Path, token: Secret) -> None:
        self.deployment, self.folder, self.token = deployment, folder, token
        self.now = datetime.now(UTC)
        self.live = folder / "live"
        self.live.write_text("1\n")

    @property
    def address(self) -> str:
        return self.deployment.settings.vault_addr

    def rotation(self, session: Session | None = None) -> Rotation:
        hooks = {name: ("sh", "-c", script) for name, script in HOOKS.items()}
        session = session or self.deployment.operator
        return rotation(self.deployment, self.folder, session, hooks, lambda: self.now)

    def versions(self) -> list[str]:
        return self.live.read_text().splitlines()

    def current(self) -> str:
        return self.versions()[-1]

    def is_accepted(self, value: str) -> bool:
        return value in self.versions()

    def is_alone(self) -> bool:
        return len(self.versions()) == 1

    def created(self) -> int:
        return int(self.current())


ADDRESSES = ("ada@example.com", "bob@example.com", "cy@example.com")
#: The hooks of an application, as the how-to has them.
SCRIPT = """
import os, sys, time
from sqlalchemy import text
from app_integration import database_engine, default_client, use_index_keys
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
engine = database_engine()
client = default_client.get_default_client()
ahead = float(open("ahead").read())
stored = TableIndexKeys(engine, "rotated_mail_keys")
indexes = BlindIndexes(client.key_services.open("index"), stored, client.settings.scope,
                       now=lambda: time.time() + ahead)
index = indexes.index("rotated.mail", rows=1_000_000)
version = sys.stdin.readline().strip()
assert version == os.environ["STRONGROOM_KEY_VERSION"]
with engine.begin() as connection:
    if sys.argv[1] == "rotate":
        live = index.live_versions()
        print(live[-1] if len(live) > 1 else index.rotate())
    elif sys.argv[1] == "rewrite":
        for mail, value in connection.execute(text("SELECT mail, index FROM rotated_mail")):
            if not index.is_current(bytes(value)):
                change = text("UPDATE rotated_mail SET index = :index WHERE mail = :mail")
                connection.execute(change, {"index": index.value(mail), "mail": mail})
    elif sys.argv[1] == "count":
        below = text("SELECT count(*) FROM rotated_mail WHERE get_byte(index, 0) < :version")
        print(connection.scalar(below, {"version": int(version)}), "rotated_mail")
    elif int(version) in index.live_versions():
        index.retire(int(version))
engine.dispose()
default_client.close()
"""


@dataclass
class Site:
    """Rotations of the key of one index, and the rows of its application."""

    deployment: Deployment
    folder: Path
    engine: Engine
    real: datetime = field(default_factory=lambda: datetime.now(UTC))
    ahead: timedelta = timedelta()

    def __post_init__(self) -> None:
        self.keys = TableIndexKeys(self.engine, KEYS)
        self.keys.create()
        index = self.index()
        index.create()
        with self.engine.begin() as connection:
            connection.execute(text(f"CREATE TABLE {ROWS} (mail text, index bytea)"))
            insert = text(f"INSERT INTO {ROWS} VALUES (:mail, :index)")
            rows = [{"mail": mail, "index": index.value(mail)} for mail in ADDRESSES]
            connection.execute(insert, rows)
        self.wait(timedelta())

    def index(self) -> BlindIndex:
        """Return the index of another process."""
        service = VaultKeyService(self.deployment.operator.post, "gaara-store-dev-index")
        return BlindIndexes(service, self.keys, STORE).index(INDEX, rows=1_000_000)

    def wait(self, time: timedelta) -> None:
        """Move the clocks of the rotation and of the application."""
        self.ahead += time
        (self.folder / "ahead").write_text(str(self.ahead.total_seconds()))

    def find(self, mail: str) -> list[str]:
        """Return what a lookup of another process finds."""
        found = text(f"SELECT mail FROM {ROWS} WHERE index = ANY(:candidates)")
        with self.engine.connect() as connection:
            candidates = list(self.index().candidates(mail))
            return list(connection.scalars(found, {"candidates": candidates}))

    def hooks(self, *names: str) -> dict[str, tuple[str, ...]]:
        """Return hooks that run :data:`SCRIPT` as the application."""
        assigned = (f"{name}={value}" for name, value in self.deployment.variables.items())
        command = ("env", *assigned, sys.executable, "hook.py")
        return {name: (*command, name) for name in names}

    def rotation(self, hooks: Mapping[str, tuple[str, ...]]) -> Rotation:
        deployment = self.deployment
        return rotation(deployment, self.folder, deployment.operator, hooks, self.clock)

    def clock(self) -> datetime:
        return self.real + self.ahead


@pytest.fixture
def site(deployment: Deployment, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "hook.py").write_text(SCRIPT)
    engine = database_engine()
    yield Site(deployment, tmp_path, engine)
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {KEYS}, {ROWS}"))


def test_index_is_rewritten_and_the_old_version_ends_when_nothing_has_it(site: Site) -> None:
    waiting = site.rotation(site.hooks("rotate", "count", "retire")).run()
    record, evidence = waiting.record, waiting.evidence
    assert (record.step, record.old, record.new) == (Step.CONSUMERS, "1", "2")
    assert evidence is not None
    assert str(evidence.waiting[0]) == f"{ROWS}: 3 index values below version 2"
    assert [site.find(mail) for mail in ADDRESSES] == [[mail] for mail in ADDRESSES]
    site.wait(timedelta(minutes=16))
    done = site.rotation(site.hooks("rotate", "rewrite", "count", "retire")).run()
    assert done.record.step is Step.DONE
    assert site.index().live_versions() == (2,)
    assert [site.find(mail) for mail in ADDRESSES] == [[mail] for mail in ADDRESSES]


@pytest.mark.parametrize("printed", ["0", "1", "two", "2 3"])
def test_hook_that_prints_no_version_stops_the_rotation(
    deployment: Deployment, tmp_path: Path, printed: str
) -> None:
    hooks = dict.fromkeys(HOOKS, ("echo", printed))
    begun = rotation(deployment, tmp_path, deployment.operator, hooks, lambda: datetime.now(UTC))
    with pytest.raises(ConfigurationError, match=r"the hook rotate of rotated\.mail did not print"):
        begun.run()
