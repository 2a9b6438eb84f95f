"""A service that leases read-only users of another service's database, through the SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from app_integration.client import Client
from app_integration.errors import AccessDenied
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from app_integration.settings import from_environment
from local.ports import HOST
from local.servers.accounts import DatabaseAccounts
from tests.support.databases.database import Database, eventually
from tests.support.databases.store_postgres import store_postgres
from tests.support.models.declared import apply_declared
from tests.support.servers.dev_server import dev_server, root
from tests.support.servers.service_variables import issue_variables
from vault.declare.declaration import Declaration
from vault.declare.load import load

pytestmark = pytest.mark.requires("embedded")

STORE, READER = (Scope(name, Environment.DEV) for name in ("gaara-store", "orders-mail"))
LEASE = {"ttl": "1h", "max_ttl": "24h"}
ENVIRONMENT = {
    "environment": "dev",
    "owner": "platform-team",
    "vault": {"address": "http://127.0.0.1:8200"},
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
}
OWN = {"engine": "postgresql", "name": "gaara_store", "roles": {"default": LEASE}}
SHARED = {"of": "gaara-store", "roles": {"readonly": LEASE}}
USER = text("SELECT session_user")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with store_postgres(tmp_path_factory.mktemp("postgres"), STORE) as accounts:
        yield Database(accounts)


@pytest.fixture(scope="module")
def operator() -> Iterator[Session]:
    with dev_server() as address, root(address) as session:
        yield session


def declare(folder: Path, port: int, *, shared: bool) -> Declaration:
    """Declare the store, and the reader whether or not the store admits it."""
    own: dict[str, Any] = {**OWN, "share": {"orders-mail": ["readonly"]}} if shared else OWN
    needs: dict[str, dict[str, Any]] = {
        "gaara-store": {"database": own},
        "orders-mail": {"secrets": {"database-url": {"source": "given"}}},
    }
    if shared:
        needs["orders-mail"]["database"] = SHARED
    for name in ("services", "environments"):
        (folder / name).mkdir(parents=True)
    for name, sections in needs.items():
        service = {"service": name, "owner": "team-a", "description": "A service.", **sections}
        (folder / f"services/{name}.yaml").write_text(json.dumps(service))
    running = {"orders-mail": {}, "gaara-store": {"database": f"{HOST}:{port}"}}
    (folder / "environments/dev.yaml").write_text(json.dumps({**ENVIRONMENT, "services": running}))
    return load(folder, folder)


def provided(accounts: DatabaseAccounts) -> dict[str, str]:
    """Return the manager's password, and a URL without a user."""
    url = f"postgresql+psycopg://{HOST}:{accounts.superuser.port}/gaara_store"
    return {
        f"database/config/{STORE}": accounts.password("manager").reveal(),
        f"secret/{READER.secret('database-url')}": url,
    }


@pytest.fixture(scope="module")
def applied(
    operator: Session, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Declaration:
    accounts = database.accounts
    folder = tmp_path_factory.mktemp("declared") / "a"
    declared = declare(folder, accounts.superuser.port, shared=True)
    apply_declared(operator, declared, provided(accounts))
    return declared


@pytest.fixture
def application(database: Database) -> Iterator[psycopg.Connection]:
    """Yield a connection of the store, whose objects belong to the owner."""
    url = database.accounts.url().reveal().replace("+psycopg", "")
    with closing(psycopg.connect(url, autocommit=True)) as session:
        session.execute("CREATE TABLE orders AS SELECT 1 AS id")
        yield session
        session.execute("DROP TABLE IF EXISTS orders, later")


def client_of(scope: Scope, operator: Session, folder: Path) -> Client:
    """Return the SDK as the service of *scope* configures it."""
    return Client(from_environment(issue_variables(operator, scope, folder)))


@pytest.fixture
def reader(applied: Declaration, operator: Session, tmp_path: Path) -> Iterator[Client]:
    assert applied.services
    with closing(client_of(READER, operator, tmp_path)) as client:
        yield client


@pytest.fixture
def engine(reader: Client) -> Engine:
    return reader.databases.engine("readonly", None)


def test_reader_selects_from_existing_and_later_tables(
    engine: Engine, application: psycopg.Connection
) -> None:
    with engine.connect() as connection:
        user = connection.execute(USER).scalar()
        assert connection.execute(text("SELECT id FROM orders")).scalar() == 1
        application.execute("CREATE TABLE later AS SELECT 2 AS id")
        assert connection.execute(text("SELECT id FROM later")).scalar() == 2
    assert str(user).startswith("v-")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders VALUES (2)",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE orders ADD COLUMN more int",
        "SET ROLE gaara_store_owner",
    ],
)
@pytest.mark.usefixtures("application")
def test_reader_changes_nothing(engine: Engine, statement: str) -> None:
    with (
        engine.connect() as connection,
        pytest.raises(ProgrammingError, match=r"InsufficientPrivilege"),
    ):
        connection.execute(text(statement))


def test_revocation_drops_the_user_and_leaves_the_owners_objects(
    engine: Engine, application: psycopg.Connection, operator: Session, database: Database
) -> None:
    with engine.connect() as connection:
        user = connection.execute(USER).scalar()
        application.execute("CREATE TABLE later AS SELECT 2 AS id")
        assert user in database.leased_users()
        operator.post(f"sys/leases/revoke-prefix/database/creds/{READER.database_role('readonly')}")
        assert eventually(lambda: user not in database.leased_users())
        with pytest.raises(DBAPIError):
            connection.execute(USER)
        connection.invalidate()
    assert database.dropped_users_sessions() == 0
    owners = "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert set(application.execute(owners)) == {
        ("orders", "gaara_store_owner"),
        ("later", "gaara_store_owner"),
    }
    with engine.connect() as connection:  # with another user
        assert connection.execute(text("SELECT id FROM later")).scalar() == 2
        assert connection.execute(USER).scalar() != user


def test_closed_client_leaves_no_user(
    operator: Session, applied: Declaration, database: Database, tmp_path: Path
) -> None:
    assert applied.services
    before = database.leased_users()
    client = client_of(READER, operator, tmp_path)
    with client.databases.engine("readonly", None).connect() as connection:
        assert connection.execute(USER).scalar() not in before
    client.close()
    assert eventually(lambda: database.leased_users() <= before)


def test_reader_cannot_lease_users_of_the_owner(reader: Client) -> None:
    for role in (None, "default"):
        with pytest.raises(AccessDenied), reader.databases.engine(role, None).connect():
            pass
    with pytest.raises(AccessDenied):
        reader.session.get(f"database/creds/{STORE}")


def test_owner_still_leases_users_that_own_nothing(
    operator: Session, applied: Declaration, application: psycopg.Connection, tmp_path: Path
) -> None:
    assert applied.services
    with closing(client_of(STORE, operator, tmp_path)) as client:
        url = f"postgresql+psycopg://{application.info.host}:{application.info.port}/gaara_store"
        engine = client.databases.engine(None, url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE later AS SELECT 3 AS id"))
    query = "SELECT tableowner FROM pg_tables WHERE tablename = 'later'"
    assert application.execute(query).fetchone() == ("gaara_store_owner",)


def test_withdrawn_admission_is_pruned_with_its_users(
    operator: Session, engine: Engine, database: Database, applied: Declaration, tmp_path: Path
) -> None:
    accounts = database.accounts
    with engine.connect() as connection:
        user = connection.execute(USER).scalar()
    withdrawn = declare(tmp_path / "b", accounts.superuser.port, shared=False)
    try:
        changes = "\n".join(apply_declared(operator, withdrawn, provided(accounts), prune=True))
        assert READER.database_role("readonly") in changes
        assert eventually(lambda: user not in database.leased_users())
        assert operator.list("database/roles") == [str(STORE)]
    finally:
        apply_declared(operator, applied, provided(accounts))
