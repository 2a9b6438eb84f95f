from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from app_integration._internal.private_file import write_private
from app_integration.names import Environment, Scope
from tests.support.databases.database import eventually
from vault.reconcile.resources.database import creation_statements, revocation_statements
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.processes import binaries
from vault.runtime.processes.processes import Processes
from vault.runtime.processes.program import Program
from vault.runtime.servers import postgres_home
from vault.runtime.servers.postgres import Postgres

pytestmark = pytest.mark.requires("embedded")

SCOPE = Scope("gaara-store", Environment.DEV)
LEASED = "v-gaara-store-x7"


def filled(statements: tuple[str, ...]) -> bytes:
    """What the server makes of *statements* for one leased user."""
    values = {"name": LEASED, "password": "leased", "expiration": "2099-01-01"}
    text = ";".join(statements)
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return text.encode()


CREATION = filled(creation_statements("gaara_store_owner"))
REVOCATION = filled(revocation_statements("gaara_store_owner"))


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("postgres") / ".strongroom")
    layout.create()
    return layout


@pytest.fixture(scope="module")
def ports() -> Ports:
    with socket.create_server((HOST, 0)) as server:
        return replace(Ports(), database=server.getsockname()[1])


@pytest.fixture(scope="module")
def postgres(layout: Layout, ports: Ports) -> Iterator[Postgres]:
    postgres = Postgres(layout, ports, Processes(layout), SCOPE)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
        postgres.erase()


@pytest.fixture
def manager(postgres: Postgres) -> Iterator[psycopg.Connection]:
    url = postgres.manager.connection_url
    url = url.replace("{{username}}", postgres.manager.username)
    url = url.replace("{{password}}", postgres.manager.password_file.read_text())
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        yield connection


def connect(postgres: Postgres, user: str, password: str, options: str = "") -> psycopg.Connection:
    return psycopg.connect(
        host=HOST,
        port=postgres.port,
        dbname="gaara_store",
        user=user,
        password=password,
        options=options,
    )


def roles(manager: psycopg.Connection) -> set[str]:
    return {name for (name,) in manager.execute("SELECT rolname FROM pg_roles").fetchall()}


def is_let_in(manager: psycopg.Connection) -> bool:
    """Whether a login has passed the look at its user, and its session has no name yet."""
    query = """SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE classid = 'pg_database'::regclass AND usename IS NULL AND datid IS NULL"""
    return manager.execute(query).fetchone() is not None


def test_a_leased_user_makes_tables_for_the_owner_and_leaves_no_trace_when_revoked(
    postgres: Postgres, manager: psycopg.Connection
) -> None:
    before = roles(manager)
    manager.execute(CREATION)
    with closing(connect(postgres, LEASED, "leased")) as session:
        session.execute("CREATE TABLE orders AS SELECT 7 AS id")
        session.commit()
        manager.execute(REVOCATION)
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            session.execute("INSERT INTO orders VALUES (8)")
    query = "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'"
    assert manager.execute(query).fetchone() == ("gaara_store_owner",)
    assert roles(manager) == before
    manager.execute(REVOCATION)  # the server may have been killed just after it
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, LEASED, "leased")


def test_a_leased_user_that_owns_things_itself_is_revoked_too(
    postgres: Postgres, manager: psycopg.Connection
) -> None:
    manager.execute(CREATION)
    with closing(connect(postgres, LEASED, "leased")) as session:
        session.execute("RESET role; SET role NONE; CREATE TABLE odd AS SELECT 1 AS id")
        session.commit()
        manager.execute(REVOCATION)
    assert LEASED not in roles(manager)
    query = "SELECT tableowner FROM pg_tables WHERE tablename = 'odd'"
    assert manager.execute(query).fetchone() == ("gaara_store_owner",)


@pytest.mark.parametrize("delay", [1, 60])  # seconds, which a client may ask for
def test_a_login_under_way_does_not_outlive_its_user(
    postgres: Postgres, manager: psycopg.Connection, delay: int
) -> None:
    manager.execute(CREATION)
    with ThreadPoolExecutor() as other:
        login = other.submit(connect, postgres, LEASED, "leased", f"-c post_auth_delay={delay}")
        assert eventually(lambda: is_let_in(manager))
        manager.execute(REVOCATION)
        with pytest.raises(psycopg.OperationalError):
            login.result().execute("SELECT 1")
    assert LEASED not in roles(manager)


def test_the_manager_ends_nobody_else_s_session(
    postgres: Postgres, manager: psycopg.Connection
) -> None:
    url = postgres.url().reveal().replace("+psycopg", "")
    with closing(psycopg.connect(url)) as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            manager.execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_the_manager_is_no_superuser(manager: psycopg.Connection) -> None:
    query = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
    row = manager.execute(f"{query} FROM pg_roles WHERE rolname = session_user").fetchone()
    assert row == (False, True, False, False, False)


def test_the_manager_changes_the_password_of_no_role_it_did_not_make(
    manager: psycopg.Connection,
) -> None:
    for role in ("postgres", "gaara_store_app"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            manager.execute(f"ALTER ROLE {role} PASSWORD 'mine'")


def test_nobody_logs_in_without_the_right_password(postgres: Postgres) -> None:
    for user in ("postgres", "gaara_store_manager", "gaara_store_app"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(postgres, user, "wrong")


def test_nobody_logs_in_as_the_owner(postgres: Postgres, manager: psycopg.Connection) -> None:
    row = manager.execute(
        "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'gaara_store_owner'"
    ).fetchone()
    assert row == (False,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, "gaara_store_owner", "any")


def test_a_role_without_the_owners_rights_may_not_even_connect(
    postgres: Postgres, manager: psycopg.Connection
) -> None:
    manager.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(postgres, "stranger", "stranger")
    manager.execute("DROP ROLE stranger")


def test_a_failed_statement_is_not_logged(
    layout: Layout, postgres: Postgres, manager: psycopg.Connection
) -> None:
    assert postgres.find()
    with pytest.raises(psycopg.errors.UndefinedObject):
        manager.execute("ALTER ROLE absent PASSWORD 'hunter2'")
    log = Processes(layout).log("database").read_text()
    assert 'role "absent" does not exist' in log
    assert "hunter2" not in log


def test_starting_again_keeps_a_password_that_vault_has_changed(
    postgres: Postgres, manager: psycopg.Connection
) -> None:
    kept = postgres.manager.password_file.read_text()
    manager.execute("ALTER ROLE gaara_store_manager PASSWORD 'rotated'")
    postgres.start()
    with closing(connect(postgres, "gaara_store_manager", "rotated")) as rotated:
        assert rotated.execute("SELECT current_user").fetchone() == ("gaara_store_manager",)
        rotated.execute(f"ALTER ROLE gaara_store_manager PASSWORD '{kept}'")
        rotated.commit()


def test_a_start_that_was_cut_short_begins_again(tmp_path: Path, ports: Ports) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    with socket.create_server((HOST, 0)) as server:
        ports = replace(ports, database=server.getsockname()[1])
    home = postgres_home.prepare(layout, binaries.postgres())
    (home.folder / "data.unfinished").mkdir()
    write_private(home.folder / "data.unfinished" / "PG_VERSION", "18")
    postgres = Postgres(layout, ports, Processes(layout), SCOPE)
    try:
        postgres.start()
        assert sorted(path.name for path in home.folder.iterdir()) == ["data"]
    finally:
        postgres.stop()
        postgres.erase()


def test_data_that_a_deleted_deployment_left_is_not_taken_over(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    try:
        postgres_home.prepare(layout, binaries.postgres()).data.mkdir()
        shutil.rmtree(layout.root)
        layout.create()
        assert not postgres_home.prepare(layout, binaries.postgres()).data.exists()
    finally:
        postgres_home.erase(layout)


def test_binaries_in_a_private_folder_are_within_reach_of_the_servers_user(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    install = binaries.postgres()
    private = tmp_path / "site-packages"
    shutil.copytree(install, private / install.parent.name / install.name)
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    shutil.copytree(libraries, private / libraries.name)
    private.chmod(0o700)
    try:
        home = postgres_home.prepare(layout, private / install.parent.name / install.name)
        processes = Processes(layout)
        command = (home.binary("initdb"), "--version")
        processes.complete(Program("probe", command, Path("/"), user=home.user), timeout=10)
        assert processes.log_tail("probe").startswith("initdb (PostgreSQL) 18.")
    finally:
        postgres_home.erase(layout)
