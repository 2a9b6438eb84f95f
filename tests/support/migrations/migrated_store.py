"""The example store with users in plaintext, deployed phase by phase while they are migrated."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import yaml
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from werkzeug.security import generate_password_hash

from app_integration import database_engine, use_index_keys
from app_integration._internal.private_file import write_private
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.integrations.sqlalchemy import EncryptedRow, Index
from app_integration.testing.ports import free_ports
from examples.gaara_store.database import CUSTOMERS
from examples.gaara_store.user_phases import ENCRYPTED, PLAINTEXT, personal_column
from local.processes import binaries
from tests.support.migrations.store_traffic import PASSWORD, Router, Traffic, customer
from tests.support.processes.running_store import ROOT, Person, RunningStore
from tests.support.servers.deployment import Deployment

PLAN: Final = ROOT / "examples/gaara_store/users.migration.yaml"
_PERSON: Final = ("username", "email", "phone", "address")
_TABLES: Final = ("orders", "users", "index_keys")
_INSERT: Final = (
    "INSERT INTO users (id, username, password_hash, email, phone, address) SELECT id, username,"
    " %s, email, phone, address FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[],"
    " %s::text[]) AS u (id, username, email, phone, address)"
)
_COLUMNS: Final = (
    "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
    " WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)


class _Base(DeclarativeBase):
    pass


class _User(EncryptedRow, _Base):
    """The class after the migration, as the store has it in its last phase."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    email = personal_column("email", ENCRYPTED, Index(CUSTOMERS, normalise="email"))
    phone = personal_column("phone", ENCRYPTED)
    address = personal_column("address", ENCRYPTED)


@dataclass
class MigratedStore:
    """A store whose table of users is migrated under traffic."""

    deployment: Deployment
    plan: Path
    engine: Engine
    router: Router
    traffic: Traffic
    run: Callable[..., int]
    seconds: list[tuple[str, float]] = field(default_factory=list)

    def deploy(self, phase: str) -> None:
        """Start the version *phase* beside the one that serves, and move the traffic to it."""
        begun = time.perf_counter()
        new = _version(self.deployment, phase, self.plan.parent)
        try:
            new.start()
        except BaseException:
            new.stop()
            raise
        old = self.router.move(new)
        assert old.stop() == 0, old.log
        self.seconds.append((f"deploy {phase}", time.perf_counter() - begun))
        self.traffic.wait_for_all()

    def migrate(self, command: str, *options: str, code: int = 0) -> None:
        """Run a command of the migration, which must exit with *code*."""
        begun = time.perf_counter()
        place = ("--env", "dev", "--root", str(self.deployment.layout.root))
        arguments = ("migrate", command, str(self.plan), *place, "--duty", "1", *options)
        assert self.run(*arguments) == code
        self.seconds.append((" ".join((command, *options)), time.perf_counter() - begun))
        self.traffic.wait_for_all()

    def write_plan(self, quiet_for: str) -> None:
        """Write the plan of the example, with another quiet time."""
        plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
        self.plan.write_text(yaml.safe_dump({**plan, "quiet_for": quiet_for}))

    def advance_to_nulled(self) -> None:
        """Deploy the phases in order, and migrate to the stage ``nulled``."""
        self.write_plan("1h")  # so that the command does not go on without dual-writing
        self.migrate("run", code=2)
        self.deploy("dual-writing")
        self.write_plan("1s")
        self.migrate("run", "--wait")
        self.deploy("switched")
        self.deploy("nulling")
        self.migrate("run", "--null", "--yes")

    def drop(self) -> None:
        """Deploy the last phase, and drop the plaintext columns."""
        self.deploy("encrypted")
        self.migrate("run", "--drop", "--yes")

    def go_back(self) -> None:
        """Undo the migration from the stage ``nulled``, step by step."""
        for phase in ("switched", "dual-writing", "plaintext"):
            self.migrate("undo", "--yes")
            self.deploy(phase)
        self.migrate("undo", "--yes")

    def columns(self) -> list[Any]:
        """Return name, type and NOT NULL of each column of users."""
        return self.query(_COLUMNS)

    def query(self, statement: str) -> list[Any]:
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement)))

    def plaintext_people(self) -> dict[str, Person]:
        """Return all users of a table in plaintext, by id."""
        rows = self.query("SELECT id, username, email, phone, address FROM users")
        return {str(key): Person(name, PASSWORD, *private) for key, name, *private in rows}

    def decrypted_people(self) -> dict[str, Person]:
        """Return all users of an encrypted table, by id, and check that each e-mail is indexed."""
        use_index_keys(TableIndexKeys(self.engine))
        with Session(self.engine) as session:
            rows = session.scalars(select(_User)).all()
            index = _User.email.index_column
            assert all(getattr(each, index.column) == index.compute(each) for each in rows)
            return {
                str(each.id): Person(each.username, PASSWORD, each.email, each.phone, each.address)
                for each in rows
            }

    def dump(self) -> bytes:
        """Return a dump of the database, as text."""
        accounts = self.deployment.local.service("gaara-store").access.require_database()
        superuser, passwords = accounts.superuser, self.plan.with_name("pgpass")
        write_private(passwords, f"*:*:*:*:{superuser.password().reveal()}\n")
        return subprocess.run(
            [binaries.postgres_folder() / "bin/pg_dump", "--dbname=gaara_store"],
            env={
                "PGHOST": "127.0.0.1",
                "PGPORT": str(superuser.port),
                "PGUSER": "postgres",
                "PGPASSFILE": str(passwords),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        ).stdout


@contextmanager
def migrated_store(
    deployment: Deployment, folder: Path, run: Callable[..., int], rows: int
) -> Iterator[MigratedStore]:
    """Serve *rows* users in plaintext during the block. Other tables of users are put aside."""
    engine = database_engine()
    with _empty_database(engine):
        first = _version(deployment, PLAINTEXT, folder)
        first.start()
        router = Router(first)
        try:
            traffic = Traffic(router, _fill(engine, rows))
            plan = folder / PLAN.name
            site = MigratedStore(deployment, plan, engine, router, traffic, run)
            with traffic.running():
                traffic.wait_for_all()
                yield site
        finally:
            router.store.stop()


def _version(deployment: Deployment, phase: str, folder: Path) -> RunningStore:
    variables = {**deployment.variables, "STRONGROOM_STORE_PHASE": phase}
    (port,) = free_ports(1)
    return RunningStore(variables, port, folder / f"{phase}-{port}.log")


def _fill(engine: Engine, rows: int) -> dict[str, Person]:
    """Insert *rows* users in plaintext, and return them by id."""
    people = {str(uuid4()): customer(f"user-{number}") for number in range(rows)}
    values = [[getattr(each, name) for each in people.values()] for name in _PERSON]
    with engine.begin() as connection:
        # Logins are cheap with it, so that their number is not limited by the processor.
        hashed = generate_password_hash(PASSWORD, "scrypt:1024:8:1")
        connection.exec_driver_sql(_INSERT, (hashed, list(people), *values))
    return people


@contextmanager
def _empty_database(engine: Engine) -> Iterator[None]:
    """Put the tables of other tests aside during the block, and drop those of this one."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA aside"))
        for name in _TABLES:
            connection.execute(text(f"ALTER TABLE IF EXISTS {name} SET SCHEMA aside"))
    yield
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS strongroom_migration CASCADE"))
        connection.execute(text(f"DROP TABLE IF EXISTS {', '.join(_TABLES)} CASCADE"))
        for name in _TABLES:
            connection.execute(text(f"ALTER TABLE IF EXISTS aside.{name} SET SCHEMA public"))
        connection.execute(text("DROP SCHEMA aside"))
