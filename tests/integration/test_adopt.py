"""Tests of the adoption of a database URL: at each step one of the two passwords works."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
import yaml
from rich.console import Console

from app_integration.auth.methods import AppRole
from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.from_settings import open_session
from app_integration.session.session import Session
from app_integration.settings import Settings
from app_integration.sources.vault import VaultSource
from app_integration.testing.ports import free_ports
from console.commands.every_day import put
from console.commands.start.adoption import Adoption
from console.target.checkout import DECLARATION, Checkout
from console.target.environment_ledger import read_ledger
from console.target.target import open_target
from local.deployment import LocalDeployment
from local.ports import Ports, setting
from local.runtime_interface import no_progress
from local.servers.accounts import Superuser
from tests.support.polling import wait_until
from tests.support.processes.adoption_worker import ACTS, NAME, FailingSession, adoption_context
from tests.support.processes.command import CommandLine, run_command
from vault.adoption import adopt, undo
from vault.adoption.adopt import AdoptionIncomplete
from vault.adoption.database_user import DatabaseRefused, connect
from vault.declare import load
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.resources.static_roles import parse_database_url
from vault.reconcile.server_time import parse_time
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import Row, State

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
USER = "gaara_store_app"
STORE = Scope("gaara-store", Environment.DEV)
ROLE = "gaara-store-dev-database-url"
KV = "secret/data/gaara-store/dev/database-url"
DEADLINE = 40.0  # seconds for the agent to do anything


@dataclass
class LocalSetup:
    """A separate deployment with its own declaration, which the tests edit."""

    root: Path
    declaration: Path

    @property
    def local(self) -> LocalDeployment:
        return open_target(root=self.root).local_deployment()

    @property
    def environment_file(self) -> Path:
        return self.declaration / "environments" / "dev.yaml"

    @property
    def console(self) -> Adoption:
        return Adoption(open_target(root=self.root), "gaara-store", Console(quiet=True))

    @cached_property
    def settings(self) -> Settings:
        return self.local.service("gaara-store").settings()

    @cached_property
    def superuser(self) -> Superuser:
        return self.local.service("gaara-store").access.require_database().superuser

    def read(self) -> Secret:
        """Return the secret as the service reads it from the server."""
        with closing(Client(self.settings)) as client:
            value: Secret = client.secrets.get(NAME, force_refresh=True)
            return value

    def delivered(self) -> Secret:
        """Return the URL in the agent's file."""
        file = self.local.layout.config("gaara-store")
        return Secret(yaml.safe_load(file.read_text())["database"]["url"])

    def changes(self) -> list[str]:
        """Return the changes of a plan with --prune."""
        local = self.local
        prune = Prune(local.service("gaara-store").scope.environment)
        with local.operator() as operator:
            return [
                str(change)
                for change in build_plan(operator, local.desired(local.inputs()), prune).changes
            ]

    def revoke(self) -> None:
        """Revoke the manager's right to set the password."""
        with self.superuser.connect() as superuser:
            superuser.execute(f"REVOKE {USER} FROM gaara_store_manager".encode())

    def adopted(self) -> bool:
        return "    adopted:" in self.environment_file.read_text()


def can_log_in(url: Secret) -> bool:
    try:
        with connect(parse_database_url(url, NAME)) as connection:
            return connection.execute("SELECT session_user").fetchone() == (USER,)
    except DatabaseRefused:
        return False


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSetup]:
    folder = tmp_path_factory.mktemp("adopt")
    declaration = folder / "declare"
    for part in ("services", "environments"):
        shutil.copytree(load.ROOT / part, declaration / part)
    ports = Ports(*free_ports(6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DECLARATION, str(declaration))
        for name, port in ports.by_name().items():
            patch.setenv(setting(name), str(port))
        built = LocalSetup(folder / ".strongroom", declaration)
        built.local.up(no_progress)
        yield built
        built.local.started.reset()


@pytest.fixture(autouse=True)
def restore_plain_value(setup: LocalSetup) -> Iterator[None]:
    """Restore the plain value after each test, and check that it works."""
    yield
    setup.console.undo(NAME)
    setup.revoke()
    assert not setup.adopted()
    assert setup.changes() == []
    assert can_log_in(setup.read())


def ledger_row(setup: LocalSetup) -> Row:
    now = datetime.now(UTC)
    rows, _ = read_ledger(open_target(root=setup.root), "gaara-store", (), None, now)
    (found,) = (row for row in rows if row.item.name == NAME)
    return found


def is_managed(setup: LocalSetup) -> bool:
    with setup.superuser.connect() as superuser:
        query = (
            "SELECT 1 FROM pg_auth_members WHERE admin_option AND NOT inherit_option"
            " AND NOT set_option AND roleid = 'gaara_store_app'::regrole"
            " AND member = 'gaara_store_manager'::regrole"
        )
        return superuser.execute(query).fetchone() is not None


def write(session: Session, value: str) -> None:
    put.write_secret(session, Checkout().declaration, STORE, NAME, value)


def run_adopt(setup: LocalSetup, command_line: CommandLine, typed: str) -> tuple[int, str]:
    """Run the command with *typed* as its input, and return its exit code and its output."""
    command_line.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    where = ("--service", "gaara-store", "--env", "dev", "--root", str(setup.root))
    code = run_command(command_line.monkeypatch, "adopt", NAME, *where)
    return code, "".join(command_line.capsys.readouterr())


def test_adopt_changes_only_the_password_of_the_url(
    setup: LocalSetup, command_line: CommandLine
) -> None:
    old, text = setup.read(), setup.environment_file.read_text()
    assert run_adopt(setup, command_line, "y\n")[0] == 0
    new = setup.read()
    assert not can_log_in(old)
    assert can_log_in(new)
    assert parse_database_url(new, NAME).set(password="x") == parse_database_url(old, NAME).set(
        password="x"
    )
    assert setup.changes() == []
    assert is_managed(setup)
    assert setup.delivered() == new
    with setup.local.operator() as operator:
        stored = operator.get(KV)["data"]["data"]
        role = operator.get(f"database/static-roles/{ROLE}")["data"]
    assert list(stored) == ["template"]
    assert role["rotation_period"] == 30 * 86_400
    row = ledger_row(setup)
    assert (row.item.kind, row.state) == (Kind.STATIC_USER, State.OK)
    assert row.age.rotated == parse_time(role["last_vault_rotation"])
    assert row.last_read.read is not None
    assert row.last_read.read.role == "gaara-store-dev"
    kept = setup.environment_file.read_text().replace(
        f"    adopted:\n      database-url: {{username: {USER}}}\n", ""
    )
    assert kept == text


@pytest.fixture
def adopted(setup: LocalSetup) -> Iterator[None]:
    """Adopt for the test, without a delivery by the agent, which takes seconds."""
    with adoption_context(setup.root) as where:
        ACTS["adopt"](where, lambda _: None)
        yield
        ACTS["undo"](where, lambda _: None)


@pytest.mark.usefixtures("adopted")
def test_adopted_value_expires_with_the_ttl_of_its_password(setup: LocalSetup) -> None:
    with open_session(setup.settings) as session:
        fetched = VaultSource(session, STORE).fetch(NAME)
    with setup.local.operator() as operator:
        ttl = operator.get(f"database/static-creds/{ROLE}")["data"]["ttl"]
    assert fetched.expires_in is not None
    assert ttl <= fetched.expires_in - 1 <= ttl + 60


def test_manual_rotation_reaches_the_file_only_after_a_restart(setup: LocalSetup) -> None:
    setup.console.adopt(NAME, yes=True)
    old = setup.delivered()
    with setup.local.operator() as operator:
        operator.post(f"database/rotate-role/{ROLE}", retry=False)
    log = setup.local.layout.audit_logs[0]
    path, before = '"path":"secret/data/gaara-store/dev/jwt-secret"', log.read_text()
    # Wait until the agent has read its secrets twice, so that it would have noticed a change.
    wanted = before.count(path) + 4
    wait_until(lambda: log.read_text().count(path) >= wanted, "the agent asks for its secrets")
    assert setup.delivered() == old
    assert not can_log_in(old)
    setup.console.rotate(NAME)
    assert can_log_in(setup.delivered())
    assert setup.delivered() == setup.read()


@pytest.mark.usefixtures("adopted")
@pytest.mark.parametrize("kind", ["engine", "pool"])
def test_engine_or_pool_reconnects_after_a_manual_rotation(setup: LocalSetup, kind: str) -> None:
    client = Client(setup.settings)
    made = client.databases.create(kind, None, {}, secret=NAME)
    open_one = made.connect if kind == "engine" else made.connection
    with open_one() as used:
        with setup.local.operator() as operator:
            operator.post(f"database/rotate-role/{ROLE}", retry=False)
        with open_one() as other:  # the database rejects the cached password, so it is read again
            assert not other.closed
        assert not used.closed  # because a rotation does not close open sessions
    client.close()


@pytest.mark.parametrize(
    ("typed", "end"),
    [("n\n", f"error: {NAME} is unchanged\n"), ("", "nobody can answer; pass --yes.\n")],
)
def test_adopt_shows_other_sessions_and_declining_changes_nothing(
    setup: LocalSetup, command_line: CommandLine, typed: str, end: str
) -> None:
    url = setup.read().reveal().replace("+psycopg", "")
    with psycopg.connect(url, application_name="nightly-report"):
        code, shown = run_adopt(setup, command_line, typed)
    assert code == 1
    assert f"another session of {USER}: nightly-report from 127.0.0.1 (idle)\n" in shown
    assert shown.endswith(end)
    assert not setup.adopted()
    assert not is_managed(setup)
    assert setup.changes() == []


def test_adopt_of_an_unusable_url_is_rejected(setup: LocalSetup) -> None:
    good = setup.read()
    port = setup.local.ports.database
    wrong = {
        "password authentication failed": good.reveal().replace(f"{USER}:", f"{USER}:x"),
        "make the two equal first": good.reveal().replace(f":{port}/", f":{port + 1}/"),
        "a role that the server itself uses": good.reveal().replace(USER, "gaara_store_manager"),
    }
    with adoption_context(setup.root) as where:
        for reason, value in wrong.items():
            write(where.session, value)
            with pytest.raises((DatabaseRefused, ConfigurationError), match=reason) as caught:
                adopt.adopt_secret(where, NAME, lambda *_: True, lambda _: None)
            assert str(parse_database_url(Secret(value), NAME).password) not in str(caught.value)
        write(where.session, good.reveal())
    assert not setup.adopted()


def test_field_named_template_is_not_taken_for_an_adoption(setup: LocalSetup) -> None:
    with setup.local.operator() as operator, adoption_context(setup.root) as where:
        value = operator.get(KV)["data"]["data"]["value"]
        operator.post(KV, {"data": {"value": value, "template": "<b>{}</b>"}}, retry=False)
        assert setup.read().reveal() == value
        with pytest.raises(ConfigurationError, match=r"other fields \(template\)"):
            adopt.adopt_secret(where, NAME, lambda *_: True, lambda _: None)
        said: list[str] = []
        assert undo.undo_adoption(where, NAME, None, said.append) is None
        assert said == [f"{NAME} is not adopted: nothing to undo"]
        assert operator.get(KV)["data"]["data"]["template"] == "<b>{}</b>"
        write(operator, value)
    assert not setup.adopted()


def test_undo_removes_the_metadata_of_the_adoption(setup: LocalSetup) -> None:
    with adoption_context(setup.root) as where:
        for act, is_marked in (("adopt", True), ("undo", False)):
            ACTS[act](where, lambda _: None)
            marks = where.session.get(KV)["data"]["metadata"]["custom_metadata"]
            assert ("composed_version" in marks) is is_marked


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ("SUPERUSER", "is a superuser"),
        ("VALID UNTIL '2100-01-01'", "expires at a set time"),
    ],
)
def test_adopt_of_a_superuser_or_expiring_user_is_rejected(
    setup: LocalSetup, attributes: LiteralString, reason: str
) -> None:
    good = setup.read()
    with setup.superuser.connect() as superuser:
        superuser.execute(f"CREATE ROLE candidate LOGIN PASSWORD 'of-candidate' {attributes}")
        superuser.execute("GRANT gaara_store_owner TO candidate")
    try:
        with adoption_context(setup.root) as where, ExitStack() as after:
            after.callback(write, where.session, good.reveal())
            url = parse_database_url(good, NAME).set(username="candidate", password="of-candidate")
            value = url.render_as_string(hide_password=False)
            write(where.session, value)
            with pytest.raises(ConfigurationError, match=f"candidate {reason}.*another user's URL"):
                adopt.adopt_secret(where, NAME, lambda *_: True, lambda _: None)
    finally:
        with setup.superuser.connect() as superuser:
            superuser.execute("DROP ROLE candidate")
    assert not setup.adopted()


def steps(setup: LocalSetup, act: str) -> int:
    """Return the number of progress lines of an undisturbed run."""
    lines: list[str] = []
    with adoption_context(setup.root) as where:
        ACTS[act](where, lines.append)
    return len(lines)


@pytest.fixture(scope="module")
def worker(setup: LocalSetup) -> Iterator[Callable[[str, int], int]]:
    """Return a function that runs an act in a process, which kills itself after some steps.

    The function returns the signal that ended the process.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.processes.adoption_worker", str(setup.root)],
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


def test_kill_after_any_step_leaves_a_working_password_and_a_rerun_completes(
    setup: LocalSetup, worker: Callable[[str, int], int]
) -> None:
    counts = {act: steps(setup, act) for act in ("adopt", "undo")}
    assert counts["adopt"] >= 5
    assert counts["undo"] >= 4
    for k in range(1, max(counts.values()) + 1):
        setup.revoke()
        for act, adopted in (("adopt", True), ("undo", False)):
            if k <= counts[act]:
                assert worker(act, k) == signal.SIGKILL, (act, k)
                assert can_log_in(setup.read()), (act, k)
            with adoption_context(setup.root) as where:
                ACTS[act](where, lambda _: None)
            assert can_log_in(setup.read()), (act, k)
            assert setup.adopted() == adopted
            assert setup.changes() == [], (act, k)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_failed_request_leaves_a_working_password(setup: LocalSetup, after: bool) -> None:
    """Fail each request of both acts in turn; each begins where the rerun of the other ended."""
    failed = dict.fromkeys(ACTS, 0)
    for k in range(1, 60):
        before = dict(failed)
        for act in ACTS:
            failed[act] += fail_and_rerun(setup, act, k, after=after)
        if failed == before:
            break
    assert all(5 < count < 58 for count in failed.values()), failed


def fail_and_rerun(setup: LocalSetup, act: str, k: int, *, after: bool) -> bool:
    """Fail request *k* of *act*, run it again, and return whether it has so many requests."""
    files = setup.local.layout.role_id(APPLY_JOB), setup.local.layout.secret_id(APPLY_JOB)
    failing = FailingSession(setup.local.ports.vault_address, AppRole(*files), k, after=after)
    with adoption_context(setup.root, failing) as where, suppress(AdoptionIncomplete):
        ACTS[act](where, lambda _: None)
    assert can_log_in(setup.read()), (act, k)
    with adoption_context(setup.root) as where:
        ACTS[act](where, lambda _: None)
    assert can_log_in(setup.read()), (act, k)
    assert setup.changes() == [], (act, k)
    return failing.failed


def test_failed_grant_keeps_the_old_password(setup: LocalSetup) -> None:
    old = setup.read()

    def refuse(_user: str) -> None:
        raise DatabaseRefused("the database at db: no")

    with adoption_context(setup.root) as where:
        with pytest.raises(AdoptionIncomplete, match="the old password is in use"):
            adopt.adopt_secret(replace(where, grant=refuse), NAME, lambda *_: True, lambda _: None)
        with pytest.raises(ConfigurationError, match="GRANT"):
            adopt.adopt_secret(replace(where, grant=None), NAME, lambda *_: True, lambda _: None)
    assert setup.read() == old
    assert can_log_in(old)


def test_undo_after_the_role_was_deleted_sets_a_new_password(setup: LocalSetup) -> None:
    with adoption_context(setup.root) as where:
        ACTS["adopt"](where, lambda _: None)
        lost = setup.read()
        where.session.delete(f"database/static-roles/{ROLE}")
        with pytest.raises(ConfigurationError, match="--admin-url-file"):
            undo.undo_adoption(where, NAME, None, lambda _: None)
        set_password = setup.local.service("gaara-store").access.require_database().set_password
        value = undo.undo_adoption(where, NAME, set_password, lambda _: None)
    assert value is not None
    assert value != lost
    password = str(parse_database_url(value, NAME).password)
    assert not set(password) <= set("alphanumeric")  # the name of the alphabet
    assert can_log_in(value)
    assert setup.read() == value


def test_put_of_an_adopted_and_rotate_of_a_given_secret_are_rejected(setup: LocalSetup) -> None:
    with adoption_context(setup.root) as where:
        with pytest.raises(ConfigurationError, match="is not adopted by gaara-store-dev"):
            undo.rotate_password(where, NAME, lambda _: None)
        ACTS["adopt"](where, lambda _: None)
        with pytest.raises(ConfigurationError, match="strongroom rotate-password"):
            put.check_writable(Checkout().declaration, STORE, NAME)


def test_plan_rejects_an_adoption_that_was_removed_by_hand(setup: LocalSetup) -> None:
    text = setup.environment_file.read_text()
    with adoption_context(setup.root) as where:
        ACTS["adopt"](where, lambda _: None)
    setup.environment_file.write_text(text)
    with pytest.raises(ConfigurationError, match="strongroom adopt database-url --undo"):
        setup.changes()
