"""A database URL adopted on a real server and database: at each step one password works."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
import yaml
from rich.console import Console

from app_integration.auth.methods import AppRole
from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from app_integration.session.session import open_session
from app_integration.sources.vault import VaultSource
from app_integration.testing.ports import free_ports
from console import operate
from console.adoption import Adoption
from console.local import LocalDeployment
from tests.support.processes.adopting import ACTS, NAME, Failing, place
from vault.adoption import adopt, undo
from vault.adoption.adopt import Declined, Unfinished
from vault.adoption.database_user import DatabaseLogin, DatabaseRefused, connected
from vault.declare import load
from vault.reconcile.credentials import APPLY_ROLE
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.resources.static_roles import parse_database_url
from vault.runtime.ports import Ports, setting
from vault.runtime.runtime import no_progress

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
USER = "gaara_store_app"
ROLE = "gaara-store-dev-database-url"
KV = "secret/data/gaara-store/dev/database-url"
DEADLINE = 40.0  # seconds for the agent to do anything


@dataclass
class House:
    """A deployment of its own, with a declaration of its own that is edited."""

    root: Path
    declaration: Path

    @property
    def local(self) -> LocalDeployment:
        return operate.local_deployment(self.root)

    @property
    def environment_file(self) -> Path:
        return self.declaration / "environments" / "dev.yaml"

    @property
    def console(self) -> Adoption:
        return Adoption("gaara-store", "dev", self.root, Console(quiet=True))

    def read(self) -> Secret:
        """What the service gets, asked anew."""
        client = Client(self.local.service_settings())
        try:
            value: Secret = client.secrets.get(NAME, force_refresh=True)
            return value
        finally:
            client.close()

    def delivered(self) -> Secret:
        """What the agent's file says."""
        file = self.local.layout.config("gaara-store")
        return Secret(yaml.safe_load(file.read_text())["database"]["url"])

    def changes(self) -> list[str]:
        """What a plan with --prune would do."""
        local = self.local
        prune = Prune(local.scope.environment)
        with local.operator() as operator:
            return [
                str(change)
                for change in build_plan(operator, local.desired(local.supply()), prune).changes
            ]

    def revoke(self) -> None:
        """The manager may not set the password any more."""
        with self.local.access.database.connect_as_superuser() as superuser:
            superuser.execute(f"REVOKE {USER} FROM gaara_store_manager".encode())

    def adopted(self) -> bool:
        return "    adopted:" in self.environment_file.read_text()


def opens(url: Secret) -> bool:
    try:
        with connected(parse_database_url(url, NAME)) as connection:
            return connection.execute("SELECT session_user").fetchone() == (USER,)
    except DatabaseRefused:
        return False


def until(happened: Callable[[], bool], what: str) -> None:
    limit, pause = time.monotonic() + DEADLINE, threading.Event()
    while not happened():
        assert time.monotonic() < limit, f"not within {DEADLINE} s: {what}"
        pause.wait(0.05)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("adopt")
    declaration = folder / "declare"
    for part in ("services", "environments"):
        shutil.copytree(load.ROOT / part, declaration / part)
    ports = Ports(*free_ports(6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(operate.DECLARATION, str(declaration))
        for name, port in ports.by_name().items():
            patch.setenv(setting(name), str(port))
        built = House(folder / ".strongroom", declaration)
        built.local.up(no_progress)
        yield built
        built.local.reset()


@pytest.fixture(autouse=True)
def given_again(house: House) -> Iterator[None]:
    """Each test begins and ends with a plain value, which the agent has delivered."""
    yield
    house.console.undo(NAME)
    house.revoke()
    assert not house.adopted()
    assert house.changes() == []
    assert opens(house.read())


def manages(house: House) -> bool:
    with house.local.access.database.connect_as_superuser() as superuser:
        query = (
            "SELECT 1 FROM pg_auth_members WHERE admin_option AND NOT inherit_option"
            " AND NOT set_option AND roleid = 'gaara_store_app'::regrole"
            " AND member = 'gaara_store_manager'::regrole"
        )
        return superuser.execute(query).fetchone() is not None


def test_the_url_goes_on_with_a_password_that_only_the_server_knows(house: House) -> None:
    old, text = house.read(), house.environment_file.read_text()
    house.console.adopt(NAME, yes=True)
    new = house.read()
    assert not opens(old)
    assert opens(new)
    assert parse_database_url(new, NAME).set(password="x") == parse_database_url(old, NAME).set(
        password="x"
    )
    assert house.changes() == []
    assert manages(house)
    assert house.delivered() == new
    with house.local.operator() as operator:
        held = operator.get(KV)["data"]["data"]
        role = operator.get(f"database/static-roles/{ROLE}")["data"]
    assert list(held) == ["template"]
    assert role["rotation_period"] == 30 * 86_400
    kept = house.environment_file.read_text().replace(
        f"    adopted:\n      database-url: {{username: {USER}}}\n", ""
    )
    assert kept == text


def test_the_value_is_cached_for_no_longer_than_its_password_lives(house: House) -> None:
    house.console.adopt(NAME, yes=True)
    with open_session(house.local.service_settings()) as session:
        fetched = VaultSource(session, house.local.scope).fetch(NAME)
    with house.local.operator() as operator:
        ttl = operator.get(f"database/static-creds/{ROLE}")["data"]["ttl"]
    assert fetched.expires_in is not None
    assert ttl <= fetched.expires_in - 1 <= ttl + 60


def test_a_rotation_by_hand_reaches_the_file_only_with_a_restart(house: House) -> None:
    house.console.adopt(NAME, yes=True)
    old = house.delivered()
    with house.local.operator() as operator:
        operator.post(f"database/rotate-role/{ROLE}", retry=False)
    log = house.local.layout.audit_logs[0]
    path, before = '"path":"secret/data/gaara-store/dev/jwt-secret"', log.read_text()
    # The agent has asked twice for what it does see changes of.
    wanted = before.count(path) + 4
    until(lambda: log.read_text().count(path) >= wanted, "the agent asks for its secrets")
    assert house.delivered() == old
    assert not opens(old)
    house.console.rotate(NAME)
    assert opens(house.delivered())
    assert house.delivered() == house.read()


@pytest.mark.parametrize("kind", ["engine", "pool"])
def test_an_engine_or_pool_follows_a_rotation_by_hand(house: House, kind: str) -> None:
    house.console.adopt(NAME, yes=True)
    client = Client(house.local.service_settings())
    made = client.database(kind, None, {}, secret=NAME)
    open_one = made.connect if kind == "engine" else made.connection
    with open_one() as used:
        with house.local.operator() as operator:
            operator.post(f"database/rotate-role/{ROLE}", retry=False)
        with open_one() as other:  # the cached password is refused, and the server asked
            assert not other.closed
        assert not used.closed  # open sessions live on
    client.close()


def test_who_else_is_logged_in_is_shown_and_a_no_changes_nothing(house: House) -> None:
    seen: list[DatabaseLogin] = []

    def decline(_user: str, others: Sequence[DatabaseLogin]) -> bool:
        seen.extend(others)
        return False

    url = house.read().reveal().replace("+psycopg", "")
    with (
        psycopg.connect(url, application_name="nightly-report"),
        place(house.root) as where,
        pytest.raises(Declined),
    ):
        adopt.adopt(where, NAME, decline, lambda _: None)
    assert [(each.application, each.address) for each in seen] == [("nightly-report", "127.0.0.1")]
    assert not house.adopted()
    assert not manages(house)
    assert house.changes() == []


def test_a_url_that_opens_nothing_or_leads_elsewhere_is_refused(house: House) -> None:
    good = house.read()
    port = house.local.ports.database
    wrong = {
        "password authentication failed": good.reveal().replace(f"{USER}:", f"{USER}:x"),
        "make the two the same first": good.reveal().replace(f":{port}/", f":{port + 1}/"),
        "the server itself works with": good.reveal().replace(USER, "gaara_store_manager"),
    }
    with place(house.root) as where:
        for reason, value in wrong.items():
            operate.write_secret(where.session, "gaara-store", "dev", NAME, value)
            with pytest.raises((DatabaseRefused, ConfigurationError), match=reason) as caught:
                adopt.adopt(where, NAME, lambda *_: True, lambda _: None)
            assert str(parse_database_url(Secret(value), NAME).password) not in str(caught.value)
        operate.write_secret(where.session, "gaara-store", "dev", NAME, good.reveal())
    assert not house.adopted()


def test_a_field_that_is_called_template_is_no_sign_of_adoption(house: House) -> None:
    with house.local.operator() as operator, place(house.root) as where:
        value = operator.get(KV)["data"]["data"]["value"]
        operator.post(KV, {"data": {"value": value, "template": "<b>{}</b>"}}, retry=False)
        assert house.read().reveal() == value
        with pytest.raises(ConfigurationError, match=r"other fields \(template\)"):
            adopt.adopt(where, NAME, lambda *_: True, lambda _: None)
        said: list[str] = []
        assert undo.undo(where, NAME, None, said.append) is None
        assert said == [f"{NAME} isn't adopted: nothing to undo"]
        assert operator.get(KV)["data"]["data"]["template"] == "<b>{}</b>"
        operate.write_secret(operator, "gaara-store", "dev", NAME, value)
    assert not house.adopted()


def test_undo_leaves_no_mark(house: House) -> None:
    house.console.adopt(NAME, yes=True)
    house.console.undo(NAME)
    with house.local.operator() as operator:
        marks = operator.get(KV)["data"]["metadata"]["custom_metadata"]
    assert "composed_version" not in marks


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ("SUPERUSER", "is a superuser"),
        ("VALID UNTIL '2100-01-01'", "ends at a set time"),
    ],
)
def test_a_user_whom_the_database_knows_better_is_refused(
    house: House, attributes: LiteralString, reason: str
) -> None:
    good = house.read()
    with house.local.access.database.connect_as_superuser() as superuser:
        superuser.execute(f"CREATE ROLE unfit LOGIN PASSWORD 'of-unfit' {attributes}")
        superuser.execute("GRANT gaara_store_owner TO unfit")
    try:
        with place(house.root) as where, ExitStack() as after:
            after.callback(
                operate.write_secret, where.session, "gaara-store", "dev", NAME, good.reveal()
            )
            url = parse_database_url(good, NAME).set(username="unfit", password="of-unfit")
            value = url.render_as_string(hide_password=False)
            operate.write_secret(where.session, "gaara-store", "dev", NAME, value)
            with pytest.raises(ConfigurationError, match=f"unfit {reason}.*another user's URL"):
                adopt.adopt(where, NAME, lambda *_: True, lambda _: None)
    finally:
        with house.local.access.database.connect_as_superuser() as superuser:
            superuser.execute("DROP ROLE unfit")
    assert not house.adopted()


def steps(house: House, act: str) -> int:
    """How many steps are told when nothing is in the way."""
    told: list[str] = []
    with place(house.root) as where:
        ACTS[act](where, told.append)
    return len(told)


@pytest.fixture(scope="module")
def worker(house: House) -> Iterator[Callable[[str, int], int]]:
    """Does something in a process that dies after a number of told steps; gives the signal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.processes.adopting", str(house.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
    )

    def run(act: str, kill_after: int) -> int:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{act} {kill_after}\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield run
    process.communicate()


def test_killed_after_any_step_one_password_works_and_the_next_run_ends_it(
    house: House, worker: Callable[[str, int], int]
) -> None:
    counts = {act: steps(house, act) for act in ("adopt", "undo")}
    assert counts["adopt"] >= 5
    assert counts["undo"] >= 4
    for k in range(1, max(counts.values()) + 1):
        house.revoke()
        for act, adopted in (("adopt", True), ("undo", False)):
            if k <= counts[act]:
                assert worker(act, k) == signal.SIGKILL, (act, k)
                assert opens(house.read()), (act, k)
            with place(house.root) as where:
                ACTS[act](where, lambda _: None)
            assert opens(house.read()), (act, k)
            assert house.adopted() == adopted
            assert house.changes() == [], (act, k)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", ["adopt", "undo"])
def test_a_request_that_fails_leaves_one_password_that_works(
    house: House, act: str, after: bool
) -> None:
    local = house.local
    files = local.layout.role_id(APPLY_ROLE), local.layout.secret_id(APPLY_ROLE)
    other = {"adopt": "undo", "undo": "adopt"}[act]
    for k in range(1, 60):
        with place(house.root) as where:
            if act == "undo":
                ACTS[other](where, lambda _: None)
        failing = Failing(local.access.vault_address, AppRole(*files), k, after=after)
        with place(house.root, failing) as where, suppress(Unfinished):
            ACTS[act](where, lambda _: None)
        assert opens(house.read()), k
        with place(house.root) as where:
            ACTS[act](where, lambda _: None)
        assert opens(house.read()), k
        assert house.changes() == [], k
        if not failing.failed:
            break
        with place(house.root) as where:
            ACTS[other](where, lambda _: None)
    assert 5 < k < 59


def test_a_grant_that_fails_leaves_the_old_password(house: House) -> None:
    old = house.read()

    def refuse(_user: str) -> None:
        raise DatabaseRefused("the database at db: no")

    with place(house.root) as where:
        with pytest.raises(Unfinished, match="the old password is in use"):
            adopt.adopt(replace(where, grant=refuse), NAME, lambda *_: True, lambda _: None)
        with pytest.raises(ConfigurationError, match="GRANT"):
            adopt.adopt(replace(where, grant=None), NAME, lambda *_: True, lambda _: None)
    assert house.read() == old
    assert opens(old)


def test_when_the_role_is_gone_undo_sets_a_fresh_password(house: House) -> None:
    with place(house.root) as where:
        ACTS["adopt"](where, lambda _: None)
        lost = house.read()
        where.session.delete(f"database/static-roles/{ROLE}")
        with pytest.raises(ConfigurationError, match="--admin-url-file"):
            undo.undo(where, NAME, None, lambda _: None)
        set_password = house.local.access.database.set_password
        value = undo.undo(where, NAME, set_password, lambda _: None)
    assert value is not None
    assert value != lost
    assert opens(value)
    assert house.read() == value


def test_an_adopted_secret_is_not_overwritten_and_a_given_one_not_rotated(house: House) -> None:
    with place(house.root) as where:
        with pytest.raises(ConfigurationError, match="isn't adopted by gaara-store-dev"):
            undo.rotate(where, NAME, lambda _: None)
        ACTS["adopt"](where, lambda _: None)
        with pytest.raises(ConfigurationError, match="strongroom rotate-password"):
            operate.write_secret(where.session, "gaara-store", "dev", NAME, "postgresql://a:b@c/d")


def test_taken_out_of_the_declaration_by_hand_it_is_refused_by_the_plan(house: House) -> None:
    text = house.environment_file.read_text()
    with place(house.root) as where:
        ACTS["adopt"](where, lambda _: None)
    house.environment_file.write_text(text)
    with pytest.raises(ConfigurationError, match="strongroom adopt database-url --undo"):
        house.changes()
