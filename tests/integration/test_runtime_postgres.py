from __future__ import annotations

import re
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
from app_integration.secret import Secret
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes import binaries
from local.processes.processes import ProcessManager
from local.processes.program import Program
from local.servers import postgres_home
from local.servers.accounts import DatabaseAccounts, Superuser
from local.servers.postgres import Postgres
from local.servers.postgres_roles import ServerRoles
from local.servers.service_roles import ServiceRoles
from tests.support.databases.database import eventually
from vault.reconcile.resources.lease_statements import OwnerGrant, ReadGrant

pytestmark = pytest.mark.requires("embedded")

SCOPE = Scope("gaara-store", Environment.DEV)
LEASED = "v-gaara-store-x7"
ADOPT = Path(__file__).parents[2] / "docs" / "howto" / "Adopt.md"
#: Manager and owner, the owner's members, database and schema, without what other services may do.
PREPARED = """
    SELECT rolname, rolcanlogin, rolcreaterole, rolsuper, rolconfig FROM pg_roles
      WHERE rolname LIKE %(like)s AND rolname ~ '_(manager|owner)$'
    UNION ALL SELECT roleid::regrole::text, admin_option, inherit_option, set_option,
      ARRAY[member::regrole::text] FROM pg_auth_members
      WHERE roleid::regrole::text = %(name)s || '_owner' AND member::regrole::text ~ '_manager$'
    UNION ALL SELECT datdba::regrole::text, true, true, true, ARRAY(
        SELECT a::text FROM unnest(datacl) a WHERE a::text !~ 'readonly' ORDER BY 1)
      FROM pg_database WHERE datname = %(name)s
    UNION ALL SELECT nspowner::regrole::text, true, true, true, ARRAY(
        SELECT a::text FROM unnest(nspacl) a WHERE a::text !~ 'readonly' ORDER BY 1)
      FROM pg_namespace WHERE nspname = 'public'
    ORDER BY 1, 2, 3, 4, 5"""


def fill_in(statements: tuple[str, ...]) -> bytes:
    """Return *statements* as Vault sends them for one leased user."""
    values = {"name": LEASED, "password": "leased", "expiration": "2099-01-01"}
    text = ";".join(statements)
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return text.encode()


CREATION = fill_in(OwnerGrant("gaara_store_owner").creation_statements())
REVOCATION = fill_in(OwnerGrant("gaara_store_owner").revocation_statements())
READER_CREATION = fill_in(ReadGrant("gaara_store_readonly").creation_statements())
READER_REVOCATION = fill_in(ReadGrant("gaara_store_readonly").revocation_statements())


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("postgres") / ".strongroom")
    layout.create()
    return layout


@pytest.fixture(scope="module")
def ports() -> Ports:
    with socket.create_server((HOST, 0)) as server:
        return replace(Ports(), database=server.getsockname()[1])


def accounts(layout: Layout, port: int) -> DatabaseAccounts:
    return DatabaseAccounts(
        Superuser(layout, port, lambda: None), ServiceRoles(SCOPE, "gaara_store")
    )


@pytest.fixture(scope="module")
def postgres(layout: Layout, ports: Ports) -> Iterator[Postgres]:
    postgres = Postgres(layout, ports, ProcessManager(layout), [accounts(layout, ports.database)])
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
        postgres.erase()


@pytest.fixture
def manager(postgres: Postgres, layout: Layout) -> Iterator[psycopg.Connection]:
    account = accounts(layout, postgres.port)
    password = account.password_file("manager").read_text()
    with closing(connect(postgres, account.roles.manager, password)) as connection:
        connection.autocommit = True
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


def is_login_authenticated(manager: psycopg.Connection) -> bool:
    """Return whether a login has passed the check of its user, and its session has no name yet."""
    query = """SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE classid = 'pg_database'::regclass AND usename IS NULL AND datid IS NULL"""
    return manager.execute(query).fetchone() is not None


def test_leased_user_creates_tables_for_the_owner_and_is_dropped_when_revoked(
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
    manager.execute(REVOCATION)  # Vault repeats it if it was killed before it noted the end
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, LEASED, "leased")


def test_leased_user_that_owns_objects_is_revoked(
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


@pytest.fixture
def reader(postgres: Postgres, manager: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Yield a connection of a leased reader, which is revoked afterwards."""
    manager.execute(READER_CREATION)
    with closing(connect(postgres, LEASED, "leased")) as session:
        session.autocommit = True
        yield session
    manager.execute(READER_REVOCATION)


@pytest.fixture
def application(postgres: Postgres, layout: Layout) -> Iterator[psycopg.Connection]:
    """Yield a connection whose objects belong to the owner."""
    with closing(
        psycopg.connect(accounts(layout, postgres.port).url().reveal().replace("+psycopg", ""))
    ) as session:
        session.autocommit = True
        yield session
        session.execute("DROP TABLE IF EXISTS before, later")


def test_reader_selects_from_tables_of_before_and_later_ones(
    application: psycopg.Connection, reader: psycopg.Connection
) -> None:
    application.execute("CREATE TABLE before (id serial, name text)")
    application.execute("INSERT INTO before (name) VALUES ('one')")
    application.execute("CREATE TABLE later AS SELECT 2 AS id")
    assert reader.execute("SELECT name FROM before").fetchone() == ("one",)
    assert reader.execute("SELECT last_value FROM before_id_seq").fetchone() == (1,)
    assert reader.execute("SELECT id FROM later").fetchone() == (2,)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO before (name) VALUES ('two')",
        "UPDATE before SET name = 'two'",
        "DELETE FROM before",
        "TRUNCATE before",
        "ALTER TABLE before ADD COLUMN more text",
        "DROP TABLE before",
        "SELECT nextval('before_id_seq')",
        "BEGIN; LOCK TABLE before IN EXCLUSIVE MODE",
        "CREATE TABLE mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT * FROM hidden.things",
        "SET ROLE gaara_store_readonly",
        "SET ROLE gaara_store_owner",
        "CREATE ROLE mine",
    ],
)
def test_reader_changes_nothing_and_sees_no_other_schema(
    application: psycopg.Connection, reader: psycopg.Connection, statement: str
) -> None:
    application.execute("CREATE TABLE before (id serial, name text)")
    application.execute("CREATE SCHEMA hidden")
    application.execute("CREATE TABLE hidden.things AS SELECT 1 AS id")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(statement)
    finally:
        application.execute("DROP SCHEMA hidden CASCADE")


def test_revoked_reader_leaves_neither_session_nor_object(
    manager: psycopg.Connection, application: psycopg.Connection, reader: psycopg.Connection
) -> None:
    objects = "SELECT count(*) FROM pg_largeobject_metadata"
    before = manager.execute(objects).fetchone()
    reader.execute("SELECT lo_create(0)")  # every user may create these
    assert manager.execute(objects).fetchone() != before
    application.execute("CREATE TABLE later AS SELECT 2 AS id")
    assert reader.execute("SELECT id FROM later").fetchone() == (2,)
    manager.execute(READER_REVOCATION)
    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        reader.execute("SELECT 1")
    assert manager.execute(objects).fetchone() == before
    assert LEASED not in roles(manager)
    query = "SELECT tableowner FROM pg_tables WHERE tablename = 'later'"
    assert manager.execute(query).fetchone() == ("gaara_store_owner",)
    manager.execute(READER_REVOCATION)  # Vault repeats it if it was killed before it noted the end


def test_database_of_an_earlier_version_gets_its_reader_at_the_next_start(
    postgres: Postgres,
    layout: Layout,
    manager: psycopg.Connection,
    application: psycopg.Connection,
) -> None:
    owned = accounts(layout, postgres.port)
    application.execute("CREATE TABLE before AS SELECT 1 AS id")
    with owned.superuser.connect("gaara_store") as superuser:
        superuser.execute("DROP OWNED BY gaara_store_readonly")
        superuser.execute("DROP ROLE gaara_store_readonly")
    for _ in range(2):  # the second time changes nothing
        owned.ensure_roles()
    manager.execute(READER_CREATION)
    with closing(connect(postgres, LEASED, "leased")) as session:
        assert session.execute("SELECT id FROM before").fetchone() == (1,)
    manager.execute(READER_REVOCATION)


def test_database_gets_its_declared_name(postgres: Postgres, layout: Layout) -> None:
    superuser_of = Superuser(layout, postgres.port, postgres.check_listener).connect
    scope = Scope("order-desk", Environment.DEV)
    names = ServiceRoles(scope, "goods")
    with superuser_of() as superuser:
        roles = ServerRoles(superuser, names)
        roles.ensure_roles(Secret("manager-password"), Secret("app-password"))
    with superuser_of("goods") as superuser:
        ServerRoles(superuser, names).transfer_schema()
    url = f"postgresql://order_desk_app:app-password@{HOST}:{postgres.port}/goods"
    with closing(psycopg.connect(url)) as session:
        row = session.execute("SELECT current_user").fetchone()
    assert row == ("order_desk_owner",)


def test_documented_statements_prepare_a_database_as_the_local_runtime_does(
    postgres: Postgres, layout: Layout
) -> None:
    superuser_of = Superuser(layout, postgres.port, postgres.check_listener).connect
    section = ADOPT.read_text().split("## Lease users of your own PostgreSQL\n")[1]
    blocks = re.findall(r"^    ```sql\n(.*?)^    ```$", section, re.MULTILINE | re.DOTALL)
    whole, inside, *_ = blocks
    for name, statements in (("postgres", whole), ("fresh_shop", inside)):
        with superuser_of(name) as superuser:
            for each in statements.replace("gaara_store", "fresh_shop").split(";"):
                superuser.execute(each.encode())
    prepared = []
    for name in ("gaara_store", "fresh_shop"):
        with superuser_of(name) as superuser:
            rows = superuser.execute(PREPARED.encode(), {"like": f"{name}%", "name": name})
            prepared.append([tuple(str(x).replace(name, "x") for x in row) for row in rows])
    assert prepared[0] == prepared[1]
    with superuser_of() as superuser:
        superuser.execute("ALTER ROLE fresh_shop_manager PASSWORD 'fresh'")
    grant = OwnerGrant("fresh_shop_owner")
    url = f"host={HOST} port={postgres.port} dbname=fresh_shop"
    with closing(
        psycopg.connect(f"{url} user=fresh_shop_manager password=fresh", autocommit=True)
    ) as manager:
        manager.execute(fill_in(grant.creation_statements()))
        with closing(psycopg.connect(f"{url} user={LEASED} password=leased")) as session:
            session.execute("CREATE TABLE parcels (id int)")
            session.commit()
        manager.execute(fill_in(grant.revocation_statements()))
        owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'parcels'"
        assert manager.execute(owner).fetchone() == ("fresh_shop_owner",)


@pytest.mark.parametrize("delay", [1, 60])  # seconds, which a client can request
def test_login_in_progress_does_not_outlive_its_user(
    postgres: Postgres, manager: psycopg.Connection, delay: int
) -> None:
    manager.execute(CREATION)
    with ThreadPoolExecutor() as other:
        login = other.submit(connect, postgres, LEASED, "leased", f"-c post_auth_delay={delay}")
        assert eventually(lambda: is_login_authenticated(manager))
        manager.execute(REVOCATION)
        with pytest.raises(psycopg.OperationalError):
            login.result().execute("SELECT 1")
    assert LEASED not in roles(manager)


def test_manager_cannot_terminate_sessions_of_other_users(
    layout: Layout, ports: Ports, manager: psycopg.Connection
) -> None:
    url = accounts(layout, ports.database).url().reveal().replace("+psycopg", "")
    with closing(psycopg.connect(url)) as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            manager.execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_only_a_running_server_lacks_a_manager(postgres: Postgres, layout: Layout) -> None:
    created = accounts(layout, postgres.port)
    later = replace(created, roles=ServiceRoles(Scope("later", Environment.DEV), "later"))
    assert (created.lacks_manager(), later.lacks_manager()) == (False, True)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    assert not accounts(layout, port).lacks_manager()


def test_manager_is_not_a_superuser(manager: psycopg.Connection) -> None:
    query = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
    row = manager.execute(f"{query} FROM pg_roles WHERE rolname = session_user").fetchone()
    assert row == (False, True, False, False, False)


def test_manager_cannot_set_passwords_of_roles_it_did_not_create(
    manager: psycopg.Connection,
) -> None:
    for role in ("postgres", "gaara_store_app"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            manager.execute(f"ALTER ROLE {role} PASSWORD 'mine'")


def test_login_with_a_wrong_password_fails(postgres: Postgres) -> None:
    for user in ("postgres", "gaara_store_manager", "gaara_store_app"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(postgres, user, "wrong")


def test_login_as_the_owner_fails(postgres: Postgres, manager: psycopg.Connection) -> None:
    row = manager.execute(
        "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'gaara_store_owner'"
    ).fetchone()
    assert row == (False,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, "gaara_store_owner", "any")


def test_role_without_the_owners_rights_cannot_connect(
    postgres: Postgres, manager: psycopg.Connection
) -> None:
    manager.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(postgres, "stranger", "stranger")
    manager.execute("DROP ROLE stranger")


def test_failed_statement_is_not_logged(
    layout: Layout, postgres: Postgres, manager: psycopg.Connection
) -> None:
    assert postgres.find()
    with pytest.raises(psycopg.errors.UndefinedObject):
        manager.execute("ALTER ROLE absent PASSWORD 'hunter2'")
    log = ProcessManager(layout).log("database").read_text()
    assert 'role "absent" does not exist' in log
    assert "hunter2" not in log


def test_restart_keeps_a_password_changed_by_vault(
    postgres: Postgres, layout: Layout, ports: Ports, manager: psycopg.Connection
) -> None:
    initial = accounts(layout, ports.database).password_file("manager").read_text()
    manager.execute("ALTER ROLE gaara_store_manager PASSWORD 'rotated'")
    postgres.start()
    with closing(connect(postgres, "gaara_store_manager", "rotated")) as rotated:
        assert rotated.execute("SELECT current_user").fetchone() == ("gaara_store_manager",)
        rotated.execute(f"ALTER ROLE gaara_store_manager PASSWORD '{initial}'")
        rotated.commit()


def test_start_after_an_interrupted_start_creates_the_cluster(tmp_path: Path, ports: Ports) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    with socket.create_server((HOST, 0)) as server:
        ports = replace(ports, database=server.getsockname()[1])
    home = postgres_home.prepare(layout, binaries.postgres_folder())
    (home.folder / "data.unfinished").mkdir()
    write_private(home.folder / "data.unfinished" / "PG_VERSION", "18")
    postgres = Postgres(layout, ports, ProcessManager(layout), [accounts(layout, ports.database)])
    try:
        postgres.start()
        assert sorted(path.name for path in home.folder.iterdir()) == ["data"]
    finally:
        postgres.stop()
        postgres.erase()


def test_prepare_ignores_data_of_a_deleted_deployment(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    try:
        postgres_home.prepare(layout, binaries.postgres_folder()).data.mkdir()
        shutil.rmtree(layout.root)
        layout.create()
        assert not postgres_home.prepare(layout, binaries.postgres_folder()).data.exists()
    finally:
        postgres_home.erase(layout)


def test_binaries_in_a_private_folder_are_executable_by_the_servers_user(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    install = binaries.postgres_folder()
    private = tmp_path / "site-packages"
    shutil.copytree(install, private / install.parent.name / install.name)
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    shutil.copytree(libraries, private / libraries.name)
    private.chmod(0o700)
    try:
        home = postgres_home.prepare(layout, private / install.parent.name / install.name)
        processes = ProcessManager(layout)
        command = (home.binary("initdb"), "--version")
        processes.run_and_wait(Program("probe", command, Path("/"), user=home.user), timeout=10)
        assert processes.log_tail("probe").startswith("initdb (PostgreSQL) 18.")
    finally:
        postgres_home.erase(layout)
