"""Rotation of the key of a blind index by an application's hooks, with real rows in PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
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
from app_integration.session.session import Session
from tests.support.models.rotations import (
    EACH_STATE,
    build_rotation,
    change_service,
    dev_context,
    stop_in_each_state,
)
from tests.support.processes.killed_requests import kill_after_each_request
from tests.support.servers.deployment import Deployment
from vault.declare.schema.index_keys import IndexDeclaration
from vault.rotation.inventory import Item, Kind
from vault.rotation.record import Step
from vault.rotation.rotation import Rotation

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

STORE = Scope("gaara-store", Environment.DEV)
INDEX, KEYS, ROWS = "rotated.mail", "rotated_mail_keys", "rotated_mail"
ITEM = Item(Kind.INDEX_KEY, "gaara-store", INDEX, f"gaara-store/dev/{INDEX}", 86_400, True)
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


@pytest.fixture(autouse=True)
def record(deployment: Deployment) -> Iterator[None]:
    """Remove the record of the rotation afterwards."""
    yield
    path = f"_strongroom/dev/rotation/index-key/{ITEM.server_name}"
    deployment.operator.delete(f"secret/metadata/{path}")


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


#: An application with two files: the live versions, and how many values are of an old one.
HOOKS = {
    "rotate": "[ $(wc -l < live) -gt 1 ] || echo $(($(tail -1 live) + 1)) >> live; "
    "echo 2 > old; tail -1 live",
    "rewrite": "echo 0 > old",
    "count": "echo $(cat old) mails",
    "retire": "read version; grep -vx $version live > left; mv left live",
}


def test_kill_after_each_request_leaves_one_version_and_repeats_none(
    deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "live").write_text("1\n")
    hooks = {name: ("sh", "-c", script) for name, script in HOOKS.items()}
    now = [datetime.now(UTC)]

    def run(session: Session) -> None:
        while (
            not rotation(deployment, tmp_path, session, hooks, lambda: now[0])
            .run()
            .record.step.is_end
        ):
            now[0] += timedelta(days=1)

    def check(_count: int) -> None:
        run(deployment.operator)
        assert len((tmp_path / "live").read_text().splitlines()) == 1

    with deployment.token("strongroom-apply") as token:
        kills = kill_after_each_request(deployment.settings.vault_addr, token, run, check)
    # One rotation for each kill, one more after the kill that followed its end, and the last one.
    assert (tmp_path / "live").read_text() == f"{1 + kills + 2}\n"


@EACH_STATE
def test_emergency_in_any_state_ends_the_version_that_was_written_with(
    deployment: Deployment, tmp_path: Path, *, is_whole: bool
) -> None:
    live = tmp_path / "live"
    live.write_text("1\n")
    hooks = {name: ("sh", "-c", script) for name, script in HOOKS.items()}
    now = datetime.now(UTC)
    build = partial(rotation, deployment, tmp_path, deployment.operator, hooks, lambda: now)
    for state in stop_in_each_state(build, is_whole=is_whole):
        leaked = live.read_text().splitlines()[-1]
        assert build().run(is_compromised=True).record.step is Step.DONE, state
        left = live.read_text().splitlines()
        assert (len(left), leaked in left) == (1, False), state


@pytest.mark.parametrize("printed", ["0", "1", "two", "2 3"])
def test_hook_that_prints_no_version_stops_the_rotation(
    deployment: Deployment, tmp_path: Path, printed: str
) -> None:
    hooks = dict.fromkeys(HOOKS, ("echo", printed))
    begun = rotation(deployment, tmp_path, deployment.operator, hooks, lambda: datetime.now(UTC))
    with pytest.raises(ConfigurationError, match=r"the hook rotate of rotated\.mail did not print"):
        begun.run()
