"""Rotation of a database URL between two users, on a real server and a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import make_url

from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.errors import ConfigurationError, ServerFault
from app_integration.names import VALUE_KEY, Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.integration.rotation.site import RotatedSite
from tests.support.models.rotations import (
    build_rotation,
    dev_context,
)
from tests.support.polling import wait_until
from tests.support.servers.deployment import Deployment
from vault.adoption.database_user import DatabaseRefused, connect
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.paired_secret import Pairing
from vault.reconcile.planning.apply import ApplyFailed, apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.resources.kv import write_value
from vault.reconcile.resources.static_roles import parse_database_url
from vault.rotation.consumers.consumer_log import ConsumerLog, read_consumer_log
from vault.rotation.consumers.evidence_type import Proof
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item, declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.record import Step
from vault.rotation.response_log import FileLog
from vault.rotation.rotation import Result, Rotation
from vault.rotation.server_ages import read_ages

pytestmark = pytest.mark.requires("embedded")

NAME, SERVICE = "database-url", "gaara-store"
PATH = f"{SERVICE}/dev/{NAME}"
PAIR = ("gaara_store_a", "gaara_store_b")


def paired_declaration() -> Declaration:
    """Return the example declaration, with a pair for the URL of the store."""
    declaration = load()
    declared = declaration.environment("dev")
    entry = declared.services[SERVICE].model_copy(update={"paired": {NAME: pairing()}})
    changed = declared.model_copy(update={"services": {**declared.services, SERVICE: entry}})
    store = declaration.services[SERVICE]
    source = store.secrets[NAME].model_copy(update={"retire_after": 20})
    store = store.model_copy(update={"secrets": {**store.secrets, NAME: source}})
    return replace(
        declaration,
        environments={**declaration.environments, Environment.DEV: changed},
        services={**declaration.services, SERVICE: store},
    )


def pairing() -> Pairing:
    return Pairing(usernames=PAIR)


@dataclass
class Site(RotatedSite):
    """Rotations of the pair, with a token that has the rotator's policy only."""

    paired: Deployment
    token: Secret
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    logs: bool = False
    created_each = None

    @property
    def address(self) -> str:
        return self.paired.settings.vault_addr

    @property
    def item(self) -> Item:
        items = declared_items(self.paired.local.declaration, Environment.DEV)
        return next(item for item in items if item.kind is Kind.USER_PAIR)

    def context(self, session: Session) -> RotationContext:
        context = dev_context(self.paired.local.declaration, session, lambda: self.now)
        return replace(context, read_log=self.read_log)

    def read_log(self, paths: Collection[str]) -> ConsumerLog | None:
        files = self.paired.layout.audit_logs[:1]
        return read_consumer_log(FileLog.of(files), paths) if self.logs else None

    def rotation(self, session: Session | None = None) -> Rotation:
        context = self.context(session or self.paired.operator)
        return build_rotation(context, self.item)

    def run(self, *, is_compromised: bool = False) -> Result:
        with Session(self.address, StaticToken(self.token)) as session:
            return self.rotation(session).run(is_compromised=is_compromised)

    def current(self) -> Secret:
        return self.url()

    def is_accepted(self, value: Secret) -> bool:
        return logs_in(value)

    def is_alone(self) -> bool:
        versions = self.paired.operator.get(f"secret/metadata/{PATH}")["data"]["versions"]
        return sum(not each["destroyed"] for each in versions.values()) == 1

    def url(self) -> Secret:
        found = self.paired.operator.get(f"secret/data/{PATH}")
        return Secret(found["data"]["data"]["value"])

    def user(self) -> str:
        return str(parse_database_url(self.url(), NAME).username)

    def other(self) -> str:
        return PAIR[1] if self.user() == PAIR[0] else PAIR[0]

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection]:
        accounts = self.paired.local.service(SERVICE).access.require_database()
        with accounts.superuser.connect() as connection:
            yield connection

    def sessions(self, url: Secret) -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
        user = parse_database_url(url, NAME).username
        with self.superuser() as superuser:
            (count,) = superuser.execute(query, [user]).fetchone() or (0,)
        return int(count)

    def changes(self) -> list[str]:
        local = self.paired.local
        found = build_plan(self.paired.operator, local.desired(local.inputs()))
        return [str(change) for change in found.changes]


def logs_in(url: Secret) -> bool:
    try:
        with connect(parse_database_url(url, NAME)):
            return True
    except DatabaseRefused:
        return False


ROLES = {PAIR[0]: "gaara-store-dev-database-url-a", PAIR[1]: "gaara-store-dev-database-url-b"}


@pytest.fixture
def site(any_pair_site: Site) -> Site:
    return any_pair_site


@pytest.fixture
def rotated(user_pair_site: Site) -> Site:
    return user_pair_site


class Load:
    """A consumer that reads the URL through the SDK and makes new connections without a pause."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.users: list[str] = []
        self.failures: list[str] = []
        self.stopped = threading.Event()

    def work(self) -> None:
        while not self.stopped.is_set():
            url = self.client.secrets.get(NAME)
            try:
                with connect(parse_database_url(url, NAME)) as connection:
                    (user,) = connection.execute("SELECT session_user").fetchone() or ("",)
                self.users.append(user)
            except DatabaseRefused as error:
                self.failures.append(str(error))


@contextmanager
def load_on(client: Client) -> Iterator[Load]:
    load = Load(client)
    threads = [threading.Thread(target=load.work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopped.set()
        for thread in threads:
            thread.join()


def test_pair_is_declared_without_a_change_of_the_current_url(site: Site) -> None:
    old = site.paired.local.inputs().get_required(f"secret/{PATH}")
    if site.user() in PAIR:
        write_value(site.paired.operator, PATH, old)  # as before the first rotation
    assert site.url() == old
    assert logs_in(old)
    assert site.changes() == []
    result = site.run()
    assert result.evidence is not None
    assert any("is not one of the pair" in note for note in result.evidence.notes)
    assert site.user() == PAIR[0]
    assert logs_in(old)


def test_consumer_under_load_has_no_failure_and_is_waited_for(
    rotated: Site,
) -> None:
    rotated.logs = True
    old, before, after = rotated.url(), rotated.user(), rotated.other()
    with closing(Client(rotated.paired.settings)) as client, load_on(client) as load:
        wait_until(lambda: len(load.users) > 20, "the first connections")
        rotated.run()
        rotated.now += timedelta(seconds=30)
        waiting = rotated.run()
        assert waiting.record.step is Step.CONSUMERS
        assert waiting.evidence is not None
        assert waiting.evidence.proof is Proof.AUDIT_LOG
        named = [str(each) for each in waiting.evidence.waiting]
        assert any(f"read version {waiting.record.old} of" in each for each in named)
        client.secrets.get(NAME, force_refresh=True)
        rotated.now += timedelta(hours=2)  # because tokens of earlier tests were revoked
        wait_until(lambda: rotated.run().record.step is Step.DONE, "the end of the rotation")
        count = len(load.users)
        wait_until(lambda: len(load.users) > count + 20, "connections after the end")
    assert load.failures == []
    assert set(load.users) == {before, after}
    assert load.users[-1] == after
    assert (rotated.user(), logs_in(old)) == (after, False)


def test_open_session_of_the_old_user_is_waited_for(rotated: Site) -> None:
    old = parse_database_url(rotated.url(), NAME)
    with connect(old.update_query_dict({"application_name": "nightly report"})):
        rotated.run()
        rotated.now += timedelta(hours=2)
        evidence = rotated.run().evidence
        assert evidence is not None
        (held,) = evidence.waiting
        assert str(held) == f"nightly report: has 1 open database session(s) of {old.username}"
    wait_until(lambda: rotated.run().record.step is Step.DONE, "the end of the session")


def run_without_database(rotated: Site) -> None:
    rotated.paired.kill("database")
    try:
        with pytest.raises(ServerFault, match="rotate-role"):
            rotated.run()
    finally:
        rotated.paired.revive()


def test_database_down_at_the_creation_changes_nothing_for_consumers(rotated: Site) -> None:
    old = rotated.url()
    run_without_database(rotated)
    assert logs_in(old)
    assert rotated.run().record.step is Step.CONSUMERS
    assert rotated.url() != old
    assert logs_in(rotated.url())


def test_database_down_at_the_end_is_repeated_by_the_next_run(rotated: Site) -> None:
    old = rotated.url()
    rotated.run()
    session = rotated.paired.operator
    rotation = rotated.rotation(session)
    record = rotation.store.read()
    assert record is not None
    rotation.store.write(session, replace(record, step=Step.RETIRE))
    run_without_database(rotated)
    assert rotated.run().record.step is Step.DONE
    assert not logs_in(old)
    assert rotated.changes() == []


def test_undo_makes_the_old_url_current_and_the_next_rotation_waits(rotated: Site) -> None:
    old = rotated.url()
    rotated.run()
    new, session = rotated.url(), rotated.paired.operator
    assert rotated.rotation(session).undo().step is Step.UNDONE
    assert rotated.url() == old
    assert (logs_in(old), logs_in(new)) == (True, True)
    with pytest.raises(ConfigurationError, match=r"was undone, and .* may be in use until"):
        rotated.run()
    rotated.now += timedelta(hours=2)
    with (
        connect(parse_database_url(new, NAME)),
        pytest.raises(ConfigurationError, match=r"is in use by .* 1 open database session"),
    ):
        rotated.run()
    wait_until(lambda: rotated.sessions(new) == 0, "the end of the session")
    assert rotated.run().record.step is Step.CONSUMERS
    assert (logs_in(old), logs_in(new)) == (True, False)


def test_compromised_url_is_rotated_at_once_after_an_undone_rotation(rotated: Site) -> None:
    old = rotated.url()
    rotated.run()
    new = rotated.url()
    rotated.rotation(rotated.paired.operator).undo()
    assert rotated.run(is_compromised=True).record.step is Step.DONE
    assert (logs_in(old), logs_in(new)) == (False, False)


def test_compromised_url_ends_at_once_and_its_readers_are_named(rotated: Site) -> None:
    rotated.logs = True
    old = rotated.url()
    with closing(Client(rotated.paired.settings)) as client:
        client.secrets.get(NAME, force_refresh=True)
        with connect(parse_database_url(old, NAME)):
            result = rotated.run(is_compromised=True)
    assert result.record.step is Step.DONE
    assert not logs_in(old)
    assert result.evidence is not None
    assert len(result.evidence.waiting) >= 2
    assert any("pg_terminate_backend" in note for note in result.evidence.notes)


def test_compromised_url_of_a_user_outside_of_the_pair_must_be_ended_in_the_database(
    rotated: Site,
) -> None:
    leaked = parse_database_url(rotated.url(), NAME).set(username="leaked", password="known")
    with rotated.superuser() as superuser:
        superuser.execute("CREATE ROLE leaked LOGIN PASSWORD 'known'")
        superuser.execute(f'GRANT CONNECT ON DATABASE "{leaked.database}" TO leaked')
        value = {VALUE_KEY: leaked.render_as_string(hide_password=False)}
        rotated.paired.operator.post(f"secret/data/{PATH}", {"data": value})
        try:
            for _ in range(2):
                with pytest.raises(
                    ConfigurationError, match=r'still.* ALTER ROLE "leaked" NOLOGIN'
                ):
                    rotated.run(is_compromised=True)
            superuser.execute("ALTER ROLE leaked NOLOGIN")
            assert rotated.run(is_compromised=True).record.step is Step.DONE
        finally:
            superuser.execute("DROP OWNED BY leaked; DROP ROLE leaked")
    assert rotated.user() in PAIR


def test_user_without_the_settings_of_the_other_is_not_promoted(rotated: Site) -> None:
    old, other = rotated.url(), rotated.other()
    with rotated.superuser() as superuser:
        superuser.execute(f"ALTER ROLE {other} RESET role".encode())
        with pytest.raises(ConfigurationError, match="setting role=gaara_store_owner; change"):
            rotated.run()
        assert rotated.url() == old
        superuser.execute(f"ALTER ROLE {other} SET role TO gaara_store_owner".encode())
    assert rotated.run().record.step is Step.CONSUMERS


def test_missing_role_of_the_next_user_is_created_by_apply(rotated: Site) -> None:
    local, operator = rotated.paired.local, rotated.paired.operator
    operator.delete(f"database/static-roles/{ROLES[rotated.other()]}")
    with pytest.raises(ConfigurationError, match="create the role with strongroom apply"):
        rotated.run()
    apply(operator, build_plan(operator, local.desired(local.inputs())), lambda _: None)
    assert rotated.run().record.step is Step.CONSUMERS


def test_url_of_the_old_user_that_someone_wrote_keeps_its_password(rotated: Site) -> None:
    old, operator = rotated.url(), rotated.paired.operator
    rotated.run()
    new = rotated.url()
    rotated.now += timedelta(hours=2)
    other = make_url(old.reveal()).update_query_dict({"application_name": "other"})
    for url, what in (
        (old, "the old value of .* again"),
        (Secret(other.render_as_string(hide_password=False)), "a URL of .* during the rotation"),
    ):
        write_value(operator, PATH, url)
        with pytest.raises(ConfigurationError, match=f"someone wrote {what}"):
            rotated.run()
    assert logs_in(old)
    write_value(operator, PATH, new)
    assert rotated.run().record.step is Step.DONE
    assert not logs_in(old)


def test_role_of_the_user_in_use_is_not_created_again(rotated: Site) -> None:
    local, operator, role = rotated.paired.local, rotated.paired.operator, ROLES[rotated.user()]
    operator.delete(f"database/static-roles/{role}")
    with pytest.raises(ApplyFailed, match="whose password the server would change"):
        apply(operator, build_plan(operator, local.desired(local.inputs())), lambda _: None)
    assert logs_in(rotated.url())
    rotated.run()
    apply(operator, build_plan(operator, local.desired(local.inputs())), lambda _: None)
    assert logs_in(rotated.url())


def test_pair_is_one_line_of_the_ledger(rotated: Site) -> None:
    address = rotated.address
    with (
        rotated.paired.token("strongroom-auditor") as token,
        Session(address, StaticToken(token)) as session,
    ):
        mounts = rotated.context(session).mounts
        (age,) = read_ages(session, rotated.item, mounts, rotated.now)
    assert age.version is not None
    assert (rotated.item.every, age.is_known) == (30 * 86_400, True)
    items = declared_items(rotated.paired.local.declaration, Environment.DEV, SERVICE)
    assert [item.kind for item in items if item.name == NAME] == [Kind.USER_PAIR]
