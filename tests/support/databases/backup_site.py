"""Local deployment with the store and a service unlike it, whose databases are backed up."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, LiteralString

import pytest
import yaml
from psycopg.sql import SQL, Identifier

from app_integration.client import Client
from app_integration.testing.ports import free_ports
from backup.login import DatabaseLogin, read_url_file
from local.access import Access
from local.deployment import LocalDeployment
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import no_progress
from local.runtimes.embedded_runtime import EmbeddedRuntime
from tests.support.processes.command import run_command
from vault.declare import load

STORE: Final = "gaara-store"
OTHER: Final = "parcel-api"
#: Item of the order whose quantity is the number of the other orders.
COUNTER: Final = "counter"
_PLACE: Final = """
    INSERT INTO orders (id, user_id, item, quantity, placed_at)
    VALUES (gen_random_uuid(), %s, %s, 0, now())
"""
_COUNT: Final = "UPDATE orders SET quantity = quantity + 1 WHERE item = %s"
_COUNTS: Final = """
    SELECT count(*) FILTER (WHERE item <> %(counter)s),
        max(quantity) FILTER (WHERE item = %(counter)s) FROM orders
"""
_LEASE: Final = {"ttl": "1h", "max_ttl": "24h"}
_SERVICE: Final = {
    "service": OTHER,
    "owner": "parts-team",
    "description": "Tells where a parcel is.",
    "secrets": {"database-url": {"source": "given"}},
    "keys": {"files": {"allow": ["encrypt", "decrypt"]}},
    "database": {"engine": "postgresql", "name": "parcels", "roles": {"default": _LEASE}},
}
#: What the store's tables lack: sequences, partitions, types, policies, large objects and so on.
_OBJECTS: Final = """
    CREATE EXTENSION citext;
    CREATE SCHEMA audit;
    CREATE TYPE audit.size AS ENUM ('small', 'large');
    CREATE TABLE parcels (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code citext UNIQUE, weight float8,
        price money, photo bytea, sent timestamptz, took interval, size audit.size, t text,
        upper_code text GENERATED ALWAYS AS (upper(code::text)) STORED
    );
    COMMENT ON TABLE parcels IS 'each parcel';
    CREATE TABLE audit.events (day date, what jsonb) PARTITION BY RANGE (day);
    CREATE TABLE audit."Events 2026" PARTITION OF audit.events
        FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE SEQUENCE down INCREMENT -2 START 100 MINVALUE -1000 MAXVALUE 100;
    CREATE VIEW heavy AS SELECT code FROM parcels WHERE weight > 5;
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM parcels;
    CREATE FUNCTION twice(n int) RETURNS int IMMUTABLE LANGUAGE sql RETURN n * 2;
    ALTER TABLE parcels ENABLE ROW LEVEL SECURITY;
    CREATE POLICY heavy ON parcels TO parcel_api_readonly USING (weight > 5);
    INSERT INTO parcels (code, weight, price, photo, sent, took, size, t)
        SELECT 'Päckchen-' || n, n / 3.0, n::money, sha256(n::text::bytea),
        now() - n * '1 h'::interval, n * '1 min'::interval, 'small', repeat('x', n)
        FROM generate_series(1, 500) n;
    INSERT INTO audit.events SELECT '2026-11-27', jsonb_build_object('n', n)
        FROM generate_series(1, 50) n;
    SELECT nextval('down'), lo_from_bytea(0, 'large');
    REFRESH MATERIALIZED VIEW counted;
"""


@dataclass
class BackupSite:
    """The deployment. *folder* has its declaration, its files and the backups."""

    local: LocalDeployment
    folder: Path

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def run(self, monkeypatch: pytest.MonkeyPatch, command: str, *arguments: str) -> int:
        """Run a command of the tool on the deployment, and return its exit code."""
        monkeypatch.setenv("STRONGROOM_DECLARATION", str(self.folder / "declaration"))
        root = () if command == "backups" else ("--root", str(self.local.layout.root))
        return run_command(monkeypatch, command, *arguments, *root)

    def back_up(self, monkeypatch: pytest.MonkeyPatch, service: str, *options: str) -> int:
        target = ("--service", service, "--env", "dev", "--folder", str(self.backups))
        return self.run(monkeypatch, "backup-database", *target, *options)

    def client(self, service: str) -> Client:
        return Client(self.local.service(service).settings())

    def access(self, service: str) -> Access:
        return self.local.service(service).access

    def login(self, service: str) -> DatabaseLogin:
        """Return the login of the application's user, which acts as the owner."""
        return read_url_file(self.url_file(service))

    def url_file(self, service: str, database: str | None = None) -> Path:
        accounts = self.access(service).require_database()
        url, own = accounts.url().reveal(), accounts.roles.database
        path = self.folder / f"{service}-{database or own}.url"
        path.write_text(url.removesuffix(own) + (database or own))
        return path

    @contextmanager
    def empty_database(
        self, service: str, name: str, encoding: LiteralString = ""
    ) -> Iterator[DatabaseLogin]:
        """Create an empty database *name* of the service's owner, and drop it at the end."""
        accounts = self.access(service).require_database()
        names = Identifier(name), Identifier(accounts.roles.owner)
        with accounts.superuser.connect() as superuser:
            statement = SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {} " + encoding)
            superuser.execute(statement.format(*names))
        try:
            with accounts.superuser.connect(name) as superuser:
                superuser.execute(SQL("ALTER SCHEMA public OWNER TO {}").format(names[1]))
            yield read_url_file(self.url_file(service, name))
        finally:
            with accounts.superuser.connect() as superuser:
                superuser.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


@contextmanager
def backup_site(folder: Path) -> Iterator[BackupSite]:
    """Run the deployment during the block, with tables and rows of both services."""
    _declare(folder / "declaration")
    (folder / "backups").mkdir(mode=0o700)
    layout, ports = Layout(folder / ".strongroom"), Ports(*free_ports(6))
    local = LocalDeployment(layout, ports, load.load(folder / "declaration"), EmbeddedRuntime)
    site = BackupSite(local, folder)
    try:
        local.up(no_progress, [OTHER, STORE])
        with site.login(OTHER).connect() as connection:
            connection.execute(_OBJECTS)
        yield site
    finally:
        local.started.reset()


def _declare(folder: Path) -> None:
    for part in ("services", "environments"):
        shutil.copytree(load.ROOT / part, folder / part)
    (folder / "services" / f"{OTHER}.yaml").write_text(json.dumps(_SERVICE))  # JSON is YAML
    file = folder / "environments" / "dev.yaml"
    environment = yaml.safe_load(file.read_text())
    environment["services"][OTHER] = {"database": "127.0.0.1:15432"}
    file.write_text(json.dumps(environment))


@contextmanager
def order_writer(login: DatabaseLogin, user_id: object) -> Iterator[None]:
    """Place and change orders of the store during the block, a transaction for each order.

    In each snapshot, the quantity of :data:`COUNTER` is the number of the other orders.
    """
    stopped, written = threading.Event(), threading.Event()

    def write() -> None:
        with login.connect() as connection:
            for number in count(1):
                if stopped.is_set():
                    return
                with connection.transaction():
                    connection.execute(_PLACE, (user_id, f"parcel {number}"))
                    connection.execute(_COUNT, (COUNTER,))
                written.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert written.wait(20)
        yield
    finally:
        stopped.set()
        thread.join()


def count_orders(login: DatabaseLogin) -> tuple[int, int]:
    """Return the number of orders beside the counter, and the counter."""
    with login.connect() as connection:
        row = connection.execute(_COUNTS, {"counter": COUNTER}).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
