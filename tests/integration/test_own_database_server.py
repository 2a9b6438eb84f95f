"""Local deployments whose database is on a PostgreSQL of the team's own."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.testing.ports import free_ports
from console.commands.every_day import deployment as local_commands
from local.aws.deployment import LocalAwsDeployment
from local.aws.dev_on_aws import put_on_aws
from local.deployment import LocalDeployment
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes import binaries
from local.runtime_interface import no_progress
from local.runtimes.embedded_runtime import EmbeddedRuntime
from local.servers.accounts import Superuser
from local.services.databases import ensure_databases
from local.status_record import StatusRecord
from tests.support.databases.store_postgres import running_postgres
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.database import Database
from vault.declare.schema.field_types import Endpoint
from vault.reconcile.planning.build import build_plan

pytestmark = pytest.mark.requires("embedded")

LOCAL = Path(__file__).parents[2] / "docs" / "howto" / "Local_Deployment.md"
PORT = "SELECT session_user, current_user, inet_server_port()"
ROLES = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'gaara%' ORDER BY 1"


#: Of the administrator, who is no superuser. In a URL it must be encoded.
PASSWORD = "dba/p@ss:word%41"


@dataclass(frozen=True)
class TeamServer:
    """A running server, as its superuser sees it.

    *administrator* is the URL of a user who may create roles and databases.
    """

    superuser: Superuser
    administrator: Secret

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(HOST, self.superuser.port)

    def declare(self, declaration: Declaration) -> Declaration:
        """Return *declaration* with every database of dev on this server."""
        for scope in declaration.scopes(Environment.DEV):
            if isinstance(declaration.service(scope.service).database, Database):
                declaration = declaration.with_deployment(scope, database=self.endpoint)
        return declaration

    def query(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with self.superuser.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def team_server(folder: Path) -> Iterator[TeamServer]:
    """Run the server during the block, and erase it at the end."""
    with running_postgres(folder) as (superuser, _):
        url = f"postgresql://dba:dba%2Fp%40ss%3Aword%2541@{HOST}:{superuser.port}/postgres"
        found = TeamServer(superuser, Secret(url))
        found.query(f"CREATE ROLE dba LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
        yield found


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamServer]:
    with team_server(tmp_path_factory.mktemp("team-server")) as running:
        yield running


def deployment(root: Path, team: TeamServer | None, ports: Ports | None = None) -> LocalDeployment:
    """Return the deployment in *root*, with its database on *team*, or on its own server."""
    declaration = team.declare(load()) if team else load()
    ports = ports or Ports(*free_ports(6))
    return LocalDeployment(Layout(root), ports, declaration, EmbeddedRuntime)


def give_url(local: LocalDeployment, url: str) -> None:
    """Store the administrator's URL, as the command does after it asked for it."""
    local.layout.create()
    for each in local.own_databases():
        each.store(url)


@contextmanager
def connection_of(local: LocalDeployment) -> Iterator[Connection]:
    """Yield a connection of the application, which commits at the end."""
    with (
        closing(Client(local.service("gaara-store").settings())) as client,
        client.databases.engine(None, None).begin() as connection,
    ):
        yield connection


def session(local: LocalDeployment) -> tuple[object, ...]:
    """Return user, role and port of a connection of the application."""
    with connection_of(local) as connection:
        return tuple(connection.execute(text(PORT)).one())


@pytest.fixture(scope="module")
def local(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, team: TeamServer
) -> Iterator[LocalDeployment]:
    running = deployment(tmp_path_factory.mktemp("first") / ".strongroom", team)
    pytestconfig.pluginmanager.getplugin("tests.support.processes.canaries").plant(running.layout)
    give_url(running, team.administrator.reveal())
    try:
        running.up(no_progress)
        yield running
    finally:
        running.started.reset()


def test_application_leases_users_on_the_teams_server(
    local: LocalDeployment, team: TeamServer
) -> None:
    user, role, port = session(local)
    assert str(user).startswith("v-")
    assert (role, port) == ("gaara_store_owner", team.endpoint.port)
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'gaara_store'"
    assert team.query(owner) == [("gaara_store_owner",)]
    supers = "SELECT rolname FROM pg_roles WHERE rolsuper AND rolname NOT LIKE 'pg_%'"
    assert team.query(supers) == [("postgres",)]


def test_second_up_changes_nothing_and_the_plan_is_empty(local: LocalDeployment) -> None:
    assert not local.up(no_progress).has_changes
    with local.operator("strongroom-plan") as planner:
        found = build_plan(planner, local.desired(local.inputs()))
    assert [str(change) for change in found.changes] == []


def test_status_names_the_teams_server(local: LocalDeployment, team: TeamServer) -> None:
    part = next(part for part in local.started.status() if str(team.endpoint) in part.title)
    assert part.works
    assert StatusRecord.read(local.layout) == local.started.record


def test_administrators_url_is_in_one_private_file_and_no_log(local: LocalDeployment) -> None:
    url = local.own_databases()[0].url_file
    assert stat.S_IMODE(url.stat().st_mode) == 0o600
    files = [path for path in local.layout.root.rglob("*") if path.is_file()]
    assert [f for f in files if b"dba%2Fp%40ss" in f.read_bytes()] == [url]
    assert [f for f in files if PASSWORD.encode() in f.read_bytes()] == []


def test_second_deployment_shares_the_database_and_erasing_it_disturbs_no_one(
    local: LocalDeployment, team: TeamServer, tmp_path: Path
) -> None:
    session(local)
    before = team.query(ROLES)
    second = deployment(tmp_path / ".strongroom", team)
    give_url(second, team.administrator.reveal())
    try:
        second.up(no_progress)
        assert session(second)[1:] == ("gaara_store_owner", team.endpoint.port)
        assert session(local)[1:] == ("gaara_store_owner", team.endpoint.port)
        assert len(team.query(ROLES)) == len(before) + 1  # a manager of its own
    finally:
        second.started.down(no_progress)
        second.started.reset()
    assert len(team.query(ROLES)) == len(before) + 1
    assert session(local)[2] == team.endpoint.port


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """Yield a deployment on its own server."""
    running = deployment(tmp_path_factory.mktemp("here") / ".strongroom", None)
    try:
        running.up(no_progress)
        yield running
    finally:
        running.started.reset()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, "strongroom up asks for it"),
        ("nonsense-c4n4ry", "is not the URL"),
        ("postgresql://dba:c4n4ry@127.0.0.1:1/postgres", "is not the URL"),
        ("postgresql://dba:c4n4ry@{server}/postgres", "password authentication failed"),
    ],
)
def test_wrong_url_is_refused_before_anything_starts(
    team: TeamServer, tmp_path: Path, url: str | None, reason: str
) -> None:
    local = deployment(tmp_path / ".strongroom", team)
    with pytest.raises(ConfigurationError, match=reason) as caught:  # noqa: PT012 (either refuses)
        if url:
            give_url(local, url.replace("{server}", str(team.endpoint)))
        local.up(no_progress)
    assert "c4n4ry" not in str(caught.value)
    assert str(local.own_databases()[0].url_file) in str(caught.value)
    assert not any(part.running for part in local.servers.status())


def test_deployment_moves_to_a_database_once_it_was_handed_over_and_back(
    here: LocalDeployment, tmp_path: Path
) -> None:
    with team_server(tmp_path) as used:
        used.query("CREATE ROLE ours LOGIN")
        used.query("CREATE DATABASE gaara_store OWNER ours")
        used.query("SET ROLE ours; CREATE TABLE parcels AS SELECT 7 AS id", "gaara_store")
        there = deployment(here.layout.root, used, here.ports)
        give_url(there, used.administrator.reveal())
        with pytest.raises(ConfigurationError, match='belongs to "ours"') as caught:
            there.up(no_progress)
        assert used.query(ROLES) == []
        for statement in str(caught.value).split(": ")[-1].split("; "):
            used.query(statement, "gaara_store")
        there.up(no_progress)
        assert session(there)[2] == used.endpoint.port
        with connection_of(there) as connection:
            connection.execute(text("ALTER TABLE parcels ADD COLUMN weight int"))
            assert connection.execute(text("SELECT id FROM parcels")).scalar() == 7
        here.up(no_progress)
        assert session(here)[2] == here.ports.database


def dump(team: TeamServer, folder: Path) -> None:
    """Write the dumps that the document loads, from a database of some other role."""
    team.query("CREATE ROLE shipper LOGIN")
    team.query("CREATE DATABASE parcels OWNER shipper")
    team.query(
        """SET ROLE shipper; CREATE EXTENSION citext; CREATE EXTENSION hstore;
        CREATE TABLE parcels (id serial PRIMARY KEY, "to" citext, labels hstore);
        INSERT INTO parcels ("to", labels) VALUES ('Ada', 'fragile=>yes')""",
        "parcels",
    )
    program = str(binaries.postgres_folder() / "bin" / "pg_dump")
    login = {"PGPASSWORD": team.superuser.password().reveal()}
    address = ["--host", "127.0.0.1", "--port", str(team.endpoint.port), "--username", "postgres"]
    for options in (["-Fc", "-f", "dump"], ["--no-owner", "--no-acl", "-f", "dump.sql"]):
        subprocess.run([program, *address, *options, "parcels"], env=login, cwd=folder, check=True)


def documented_commands(local: LocalDeployment) -> list[str]:
    section = LOCAL.read_text().split("## Load data into the local database\n")[1]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section.split("\n## ")[0], re.MULTILINE | re.DOTALL)
    return [block.replace("15432", str(local.ports.database)) for block in blocks]


def test_loaded_data_belongs_to_the_owner_and_is_used_and_altered_by_leased_users(
    here: LocalDeployment, team: TeamServer, tmp_path: Path
) -> None:
    path = {"PATH": f"{binaries.postgres_folder() / 'bin'}:{os.environ['PATH']}"}
    dump(team, tmp_path)
    (tmp_path / ".strongroom").symlink_to(here.layout.root)
    custom, plain, superuser = documented_commands(here)
    for command in (custom, plain):
        subprocess.run(["/bin/sh", "-ec", command], env=path, cwd=tmp_path, check=True)
        with connection_of(here) as connection:
            row = connection.execute(
                text("SELECT \"to\" = 'ADA', labels -> 'fragile' FROM parcels")
            )
            assert tuple(row.one()) == (True, "yes")
            connection.execute(text("ALTER TABLE parcels ADD COLUMN weight int"))
            connection.execute(text("INSERT INTO parcels (weight) VALUES (3)"))
            connection.execute(text("DROP TABLE parcels"))
            connection.execute(text("DROP EXTENSION citext; DROP EXTENSION hstore"))
    subprocess.run(["/bin/sh", "-ec", superuser], env=path, cwd=tmp_path, check=True)


def test_containers_refuse_another_server(team: TeamServer, tmp_path: Path) -> None:
    local = deployment(tmp_path / ".strongroom", team)
    with pytest.raises(ConfigurationError, match="STRONGROOM_RUNTIME=embedded"):
        ensure_databases([local.service("gaara-store").access], "docker", no_progress)


def test_aws_refuses_another_server(team: TeamServer, tmp_path: Path) -> None:
    declared = put_on_aws(team.declare(load()), {})
    with pytest.raises(ConfigurationError, match="no users are leased on AWS"):
        LocalAwsDeployment(Layout(tmp_path / ".strongroom"), Ports(), declared)


def test_up_asks_once_for_the_url_and_does_not_show_it(
    team: TeamServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    local = deployment(tmp_path / ".strongroom", team)
    asked = []

    def answer(question: str) -> str:
        asked.append(question)
        return f"{team.administrator.reveal()}\n"

    monkeypatch.setattr(local_commands, "has_terminal", lambda: True)
    monkeypatch.setattr(local_commands, "read_hidden", answer)
    local_commands._ask_for_urls(local.own_databases())
    local_commands._ask_for_urls(local.own_databases())
    assert asked == [f"postgresql://USER:PASSWORD@{team.endpoint}/postgres"]
    assert local.own_databases()[0].url_file.read_text().strip() == team.administrator.reveal()
    assert "dba%2F" not in capsys.readouterr().out
