"""Servers of the mail worker in staging: TLS server, PostgreSQL, Redis and SMTP, with orders."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import redis

from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from examples.order_messages import STREAM, seal_message
from examples.orders_mail.order_queue import DEAD
from local.ports import HOST
from local.servers.accounts import DatabaseAccounts
from policies.render import render_policies
from tests.support.databases.store_postgres import store_postgres
from tests.support.models.declaration_files import write_declaration
from tests.support.polling import wait_until
from tests.support.servers.raft_cluster import Node, raft_cluster
from tests.support.servers.store_parts import Servers, running_servers
from vault.declare.declaration import Declaration
from vault.declare.load import ROOT, TEMPLATES
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan

STAGING: Final = Environment("staging")
STORE, WORKER = (Scope(name, STAGING) for name in ("gaara-store", "orders-mail"))
_RECIPIENT: Final = "gaara@example.com"
_PAUSE: Final = 0.1  # seconds between two orders
_TABLE: Final = "CREATE TABLE orders (id uuid PRIMARY KEY, item text, quantity int)"


@dataclass
class Orders:
    """Orders that were placed one after the other, and what became of them."""

    placed: dict[str, float] = field(default_factory=dict)
    mails: dict[str, list[float]] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        return [each for each in self.placed if len(self.mails.get(each, ())) != 1] + self.rejected

    @property
    def longest_wait(self) -> float:
        return max(self.mails[each][0] - placed for each, placed in self.placed.items())

    def wait_for_more(self) -> None:
        goal = len(self.placed) + 5
        wait_until(lambda: len(self.placed) >= goal, "5 more orders")


@dataclass
class MailSite:
    """Servers of the worker, with the repository's declaration applied in staging."""

    vault: Node
    root: Session
    servers: Servers
    accounts: DatabaseAccounts
    declaration: Path
    queue_url: str = ""

    def __post_init__(self) -> None:
        self.queue_url = self.servers.document["redis"]["url"]

    def redis(self) -> Any:
        return redis.Redis.from_url(self.queue_url)

    @contextmanager
    def orders(self) -> Iterator[Orders]:
        """Place orders during the block, and wait until each was mailed or rejected."""
        orders, stop = Orders(), threading.Event()
        thread = threading.Thread(target=self._place, args=(orders, stop))
        thread.start()
        try:
            yield orders
        finally:
            stop.set()
            thread.join()
        with self.redis() as client:
            wait_until(lambda: client.xlen(STREAM) == 0, "an empty queue")
            orders.rejected = [fields[b"reason"].decode() for _, fields in client.xrange(DEAD)]
        for path in self.servers.mail.glob("*.eml"):
            text = path.read_text()
            for order_id in orders.placed:
                if f"Message-ID: <{order_id}@" in text:
                    sent_at = int(path.name.partition("-")[0]) / 1e9
                    orders.mails.setdefault(order_id, []).append(sent_at)

    def _place(self, orders: Orders, stop: threading.Event) -> None:
        roles = self.accounts.roles
        insert = f"INSERT INTO {roles.database}.public.orders VALUES (%s, 'a gourd', 1)"
        with self.redis() as client, self.accounts.superuser.connect(roles.database) as database:
            while not stop.wait(_PAUSE):
                order_id = uuid4()
                database.execute(insert.encode(), (order_id,))
                orders.placed[str(order_id)] = time.time()
                fields = seal_message(order_id, _RECIPIENT, self.queue_url).fields()
                client.xadd(STREAM, {**fields})


@contextmanager
def mail_site(folder: Path) -> Iterator[MailSite]:
    """Start the servers, and apply the declaration of the worker and the store."""
    with (
        _database(folder / "postgres") as accounts,
        running_servers(folder) as servers,
        raft_cluster(folder, size=1, tls=True) as cluster,
    ):
        site = MailSite(cluster.nodes[0], cluster.root, servers, accounts, folder / "declaration")
        _apply(site, _declare(site))
        yield site


@contextmanager
def _database(folder: Path) -> Iterator[DatabaseAccounts]:
    folder.mkdir()
    with store_postgres(folder, STORE) as accounts:
        with accounts.superuser.connect(accounts.roles.database) as connection:
            connection.execute(f"SET ROLE {accounts.roles.owner}".encode())
            connection.execute(_TABLE)
        yield accounts


def _declare(site: MailSite) -> Declaration:
    """Write the declaration: the repository's services, in staging at the addresses of *site*."""
    shutil.copytree(ROOT / "services", site.declaration / "services")
    shutil.copytree(TEMPLATES, site.declaration / "templates")
    smtp = site.servers.document["smtp"]
    settings = {f"smtp-{name}": smtp[name] for name in ("host", "port", "username")}
    database = f"{HOST}:{site.accounts.superuser.port}"
    environment = {
        "environment": str(STAGING),
        "owner": "platform-team",
        "vault": {"address": site.vault.address},
        "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
        "agent": {"render_interval": "5s"},
        "services": {
            "orders-mail": {"settings": settings},
            "gaara-store": {
                "settings": settings,
                "database": database,
                "redis": {"address": f"{HOST}:{site.servers.redis.port}"},
            },
        },
    }
    return write_declaration(site.declaration, environment)


def _apply(site: MailSite, declared: Declaration) -> None:
    port, database = site.accounts.superuser.port, site.accounts.roles.database
    given = {
        "database-url": f"postgresql+psycopg://{HOST}:{port}/{database}",
        "redis-url": site.queue_url,
        "smtp-password": site.servers.document["smtp"]["password"],
    }
    values = {
        f"secret/{scope.secret(name)}": value
        for scope in (STORE, WORKER)
        for name, value in given.items()
    }
    values[f"database/config/{STORE}"] = site.accounts.password("manager").reveal()
    manager = site.servers.redis_manager.password().reveal()
    values[f"database/config/{STORE.redis_role()}"] = manager
    inputs = Inputs({path: Secret(value) for path, value in values.items()})
    resources = desired_resources(declared, STAGING, render_policies(declared, STAGING), inputs)
    apply(site.root, build_plan(site.root, resources), lambda _: None)
