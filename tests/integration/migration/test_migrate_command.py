"""Command ``migrate`` on the local deployment, for a table of a service."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from psycopg.sql import SQL, Identifier
from sqlalchemy import text

from app_integration import database_engine, default_client, use_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from console.commands.every_day import page
from console.commands.personal_data.migration_session import open_migration
from console.target.target import open_target
from migration.stage import Stage
from tests.support.polling import wait_until
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

ROWS: Final = 400
PLAN: Final = {
    "migration": "tenants",
    "service": "gaara-store",
    "table": "tenants",
    "columns": {"name": {"field": "tenants.name", "index": {"rows": 100_000}}},
    "data_keys": "tenant_data_keys",
    "index_keys": "tenant_index_keys",
    "quiet_for": "1s",
    "backups_kept_for": "35d",
}
_CREATE: Final = "CREATE TABLE tenants (id int PRIMARY KEY, name text NOT NULL)"
_FILL: Final = "INSERT INTO tenants SELECT n, 'tenant ' || n FROM generate_series(1, :rows) AS n"
#: Ends the sessions that try to lock the table.
_END_COMMAND: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND query LIKE 'LOCK TABLE%"tenants"%EXCLUSIVE%'
"""
_DROP: Final = (
    "DROP TABLE IF EXISTS tenants, tenant_data_keys, tenant_index_keys",
    "DROP SCHEMA IF EXISTS strongroom_migration CASCADE",
)


@dataclass
class Site:
    """A plan, and the command on it."""

    file: Path
    root: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run the command, check its exit code, and return what it printed."""
        place = ("--env", "dev", "--root", str(self.root))
        command, options = arguments[:1], arguments[1:]
        assert (
            run_command(self.monkeypatch, "migrate", *command, str(self.file), *place, *options)
            == code
        )
        printed = self.capsys.readouterr()
        return " ".join((printed.err if code == 1 else printed.out).split())

    def status(self) -> Any:
        return json.loads(self.run("status", "--json"))

    def write(self, **changes: object) -> None:
        self.file.write_text(yaml.safe_dump({**PLAN, **changes}))


@pytest.fixture
def site(
    deployment: Deployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Site]:
    site = Site(tmp_path / "tenants.yaml", deployment.layout.root, monkeypatch, capsys)
    with with_tenants(site):
        yield site


@contextmanager
def with_tenants(site: Site) -> Iterator[None]:
    """Create the table and the plan for the block."""
    engine = database_engine()
    with engine.begin() as connection:
        connection.execute(text(_CREATE))
        connection.execute(text(_FILL), {"rows": ROWS})
    site.write()
    yield
    with engine.begin() as connection:
        for statement in _DROP:
            connection.execute(text(statement))


def test_migration_from_begin_to_drop(site: Site) -> None:
    assert "tenants: not begun, or undone." in site.run("status")
    site.write(quiet_for="1h")
    assert "It waits until" in site.run("run", code=2)
    site.write()
    assert "indexed:" in site.run("run", "--wait", "--postpone", "--workers", "2", "--duty", "1")
    assert "becomes nulled only after switched" in site.run("run", "--null", code=1)
    assert "switched: deploy the version that reads new tokens" in site.run("run")
    assert "switched: deploy the version that reads new tokens" in site.run("run")
    nulled = site.run("run", "--null", "--yes", "--duty", "1")
    assert "nulled: no row of the table has plaintext" in nulled
    assert "Searched public.tenants, which triggers of tenants may write, for" in nulled
    assert "what no function of a trigger names; other databases, replicas" in nulled
    assert "then run the command with --drop" in site.run("run")
    dropped = site.run("run", "--drop", "--yes")
    assert "Backups and logs of the database from before" in dropped
    found = site.status()
    assert (found["stage"], found["paused"], found["pass"]) == ("dropped", False, None)
    assert [each["event"] for each in found["events"]] == [
        *("guarded", "dual-writing", "backfilled", "verified"),
        *("indexed", "switched", "nulled", "dropped"),
    ]
    assert "dropped: the old columns are gone, and no stage is left." in site.run("run")
    assert "it is dropped, so that no stage is left to forecast" in site.run("plan", code=1)
    assert names() == {"id", "name_token", "name_index"}
    assert "restore a backup" in site.run("undo", "--yes", code=1)


def test_plan_changes_nothing_and_tells_what_is_needed(site: Site) -> None:
    shown = site.run("plan")
    assert "public.tenants: about 400 rows" in shown
    assert "ACCESS EXCLUSIVE for milliseconds" in shown
    assert "NOT NULL of column name of table public.tenants (name): lifted" in shown
    assert re.search(r"all before the switch needs .* are free", shown)
    assert site.run("run", "--dry-run") == shown
    found = json.loads(site.run("plan", "--json", "--free", "1"))
    assert [each["stage"] for each in found["stages"]] == [*Stage]
    assert [(each["name"], each["sequence"]) for each in found["bound"]] == [("id", None)]
    assert found["room"]["before_switch"]["is_enough"] is False
    assert "and 1.0 MB are free" in site.run("run", "--free", "1", code=1)
    assert names() == {"id", "name"}


def test_way_back_leaves_the_table_as_it_was(site: Site) -> None:
    site.run("run", "--wait", "--duty", "1")
    assert "indexed: let the application read plaintext" in site.run("undo", "--yes")
    assert "guarded: deploy the version without the new columns" in site.run("undo", "--yes")
    assert "undone: the table is as it was" in site.run("undo", "--yes")
    assert "it was not begun, or was undone" in site.run("undo", "--yes", code=1)


def test_way_back_names_what_is_not_as_it_was(site: Site) -> None:
    site.run("run", "--wait", "--duty", "1")
    site.run("undo", "--yes")
    site.run("undo", "--yes")
    with database_engine().begin() as connection:
        connection.execute(text("CREATE INDEX came_meanwhile ON tenants (name)"))
    assert "not all is as it was before it: " in (last := site.run("undo", "--yes"))
    assert "came_meanwhile" in last
    assert names() == {"id", "name"}


def test_command_is_run_without_its_word(site: Site) -> None:
    site.write(quiet_for="1h")
    arguments = ("--env", "dev", "--root", str(site.root))
    assert run_command(site.monkeypatch, "migrate", str(site.file), *arguments) == 2
    assert "It waits until" in site.capsys.readouterr().out
    assert site.status()["stage"] == "guarded"


def test_begin_creates_the_keys_that_the_application_needs_from_then_on(site: Site) -> None:
    site.write(quiet_for="1h")
    site.run("run", code=2)
    engine = database_engine()
    use_index_keys(TableIndexKeys(engine, "tenant_index_keys"))
    index = default_client.get_default_client().indexes.index("tenants.name", rows=100_000)
    assert index.value("tenant 1")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM tenant_data_keys")) == 0


def test_paused_migration_says_so(site: Site) -> None:
    site.write(quiet_for="1h")
    site.run("run", code=2)
    assert "tenants: paused." in site.run("pause")
    assert "tenants: paused already." in site.run("pause")
    assert "Its workers are paused." in site.run("status")
    assert "tenants: running." in site.run("resume")
    assert "tenants: duty 0.5." in site.run("throttle", "--duty", "0.5")
    assert "works for 50% of its time at most" in site.run("status")
    assert "tenants: duty as started." in site.run("throttle")
    assert site.status()["duty"] is None
    assert "no pass runs now" in site.run("work")


def test_paused_pass_is_told_in_a_log_and_so_is_its_end(site: Site) -> None:
    site.write(quiet_for="1h")
    site.run("run", code=2)
    site.write()
    site.run("pause")
    command = [sys.executable, "-m", "console", "migrate", "run", str(site.file), "--env", "dev"]
    command += ["--root", str(site.root), "--wait", "--postpone", "--duty", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        printed = []
        for line in running.stdout:
            printed.append(line.strip())
            if "is held: the migration is paused" in line:
                site.run("resume")
    assert running.returncode == 0
    (user,) = {each["by"] for each in site.status()["events"] if each["event"] == "paused"}
    told = [line for line in printed if "held" in line or "goes on" in line]
    assert told == [
        f"backfill is held: the migration is paused by {user}.",
        "backfill goes on.",
    ]


def test_session_that_the_server_ends_is_told_without_a_traceback(
    site: Site, deployment: Deployment
) -> None:
    accounts = deployment.local.service("gaara-store").access.require_database()
    command = [sys.executable, "-m", "console", "migrate", "run", str(site.file), "--env", "dev"]
    command += ["--root", str(site.root)]
    with database_engine().begin() as holder, accounts.superuser.connect() as superuser:
        holder.execute(text("LOCK TABLE tenants IN ACCESS SHARE MODE"))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            wait_until(lambda: superuser.execute(_END_COMMAND).rowcount, "its session is ended")
            _, printed = running.communicate()
    assert running.returncode == 1
    assert printed.decode() == (
        "error: migration tenants: the connection to the database was lost. What was finished"
        " stays; see that the server runs, and repeat the command\n"
    )


def test_page_reads_the_migrations_whose_plans_are_named(site: Site) -> None:
    site.write(quiet_for="1h")
    site.run("run", code=2)
    found = page._read_migrations([site.file], open_target(root=site.root))
    assert found["tenants"][0].startswith("tenants: guarded: ")


def test_status_writes_metrics(site: Site, tmp_path: Path) -> None:
    site.run("status", "--metrics", str(tmp_path / "users.prom"))
    (line,) = (tmp_path / "users.prom").read_text().splitlines()[2:]
    assert line.startswith("strongroom_migration_checked_timestamp_seconds{environment=")


def test_bypassing_writer_is_named(site: Site) -> None:
    site.write(quiet_for="1h")
    site.run("run", code=2)
    with database_engine().begin() as connection:
        connection.execute(text("SET application_name = 'old shop'"))
        connection.execute(text("UPDATE tenants SET name = 'other' WHERE id = 1"))
    assert "(old shop): UPDATE without a token, 1 times" in site.run("run", code=2)
    (writer,) = site.status()["writers"]
    assert writer["application"] == "old shop"


@pytest.fixture
def short_statements(deployment: Deployment) -> Iterator[None]:
    """Let statements of new sessions take 5 s at most, if they set nothing else."""
    accounts = deployment.local.service("gaara-store").access.require_database()
    name = Identifier(accounts.roles.database)
    with accounts.superuser.connect() as superuser:
        superuser.execute(SQL("ALTER DATABASE {} SET statement_timeout = '5s'").format(name))
        yield
        superuser.execute(SQL("ALTER DATABASE {} RESET statement_timeout").format(name))


@pytest.mark.usefixtures("short_statements")
def test_statements_that_read_the_whole_table_may_take_long(site: Site) -> None:
    with (
        open_migration(site.file, open_target(root=site.root), None) as migration,
        migration.context.connect() as connection,
    ):
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "lodgers"}, "its database has no table lodgers"),
        ({"service": "garage"}, "is the unknown service 'garage'"),
        ({"columns": {"id": {"field": "tenants.id", "type": "int"}}}, "part of the primary key"),
    ],
)
def test_plan_that_cannot_run_is_refused(
    site: Site, changes: dict[str, object], message: str
) -> None:
    site.write(**changes)
    assert message in site.run("run", code=1)


def names() -> set[str]:
    with database_engine().connect() as connection:
        rows = connection.execute(
            text("SELECT column_name FROM information_schema.columns WHERE table_name = 'tenants'")
        )
        return {name for (name,) in rows}
