"""Store and mail worker as two processes: one database, one queue, and rights of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis

from app_integration._internal.private_file import write_private
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from examples.order_messages import STREAM
from examples.orders_mail.order_queue import GROUP
from local.ports import HOST
from tests.support.databases.database import Database
from tests.support.databases.store_postgres import store_postgres
from tests.support.models.declared import apply_declared
from tests.support.polling import wait_until
from tests.support.processes.running_store import ROOT, Person, RunningStore
from tests.support.servers.dev_server import dev_server, root
from tests.support.servers.service_variables import issue_variables
from tests.support.servers.store_parts import Servers, running_servers
from vault.declare.load import ROOT as DECLARATION
from vault.declare.load import load

pytestmark = pytest.mark.requires("embedded")

STORE, WORKER = (Scope(name, Environment.DEV) for name in ("gaara-store", "orders-mail"))
TEMARI = Person(
    username="temari",
    password="wind and more wind",
    email="temari@example.com",
    phone="+81 3 1234 5678",
    address="1 Dune Road",
)
STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Shop:
    """A store that runs, with its servers."""

    operator: Session
    servers: Servers
    database: Database
    store: RunningStore
    token: str

    @property
    def database_url(self) -> str:
        """Return a URL without a user."""
        return f"postgresql+psycopg://{HOST}:{self.database.accounts.superuser.port}/gaara_store"

    def order(self, item: str) -> str:
        """Place an order and return its id."""
        answer = self.store.request("POST", "/orders", token=self.token, body={"item": item})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def mails(self) -> list[str]:
        """Return the sent mail as text."""
        return [path.read_text() for path in sorted(self.servers.mail.glob("*.eml"))]

    def wait_for_mail(self, order_id: str) -> str:
        """Return the mail about the order, once it was sent and acknowledged."""

        def is_sent() -> bool:
            return any(order_id in text for text in self.mails()) and self.pending() == 0

        wait_until(is_sent, f"the mail about {order_id}", 30)
        return next(text for text in self.mails() if order_id in text)

    def pending(self) -> int:
        """Return the number of messages in the queue."""
        with redis.Redis.from_url(self.servers.document["redis"]["url"]) as client:
            length: int = client.xlen(STREAM)
            return length


@dataclass
class RunningWorker:
    """Worker as a separate process."""

    process: subprocess.Popen[bytes]
    log_file: Path
    config: Path
    variables: dict[str, str]

    @property
    def log(self) -> str:
        """Return the worker's output."""
        return self.log_file.read_text()

    def stop(self) -> int:
        """Stop the worker as a service manager does, and return the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)


def toml(shop: Shop, **smtp: object) -> str:
    """Return the worker's config file."""
    account = {**shop.servers.document["smtp"], **smtp}
    lines = [
        "[database]",
        f"url = {json.dumps(shop.database_url)}",
        "[queue]",
        f"url = {json.dumps(shop.servers.document['redis']['url'])}",
        "[smtp]",
        *(f"{name} = {json.dumps(value)}" for name, value in account.items()),
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def running_worker(shop: Shop, folder: Path, **smtp: object) -> Iterator[RunningWorker]:
    """Run a worker until the block ends."""
    config, log_file = folder / "worker.toml", folder / "worker.log"
    write_private(config, toml(shop, **smtp))
    issued = issue_variables(shop.operator, WORKER, folder)
    variables = {"PATH": os.environ["PATH"], **issued, "STRONGROOM_CONFIG": str(config)}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.orders_mail"],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    worker = RunningWorker(process, log_file, config, variables)
    try:
        wait_until(lambda: "waiting for orders" in worker.log, "the worker's start")
        yield worker
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("orders")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with store_postgres(tmp_path_factory.mktemp("postgres"), STORE) as accounts:
        yield Database(accounts)


@pytest.fixture(scope="module")
def shop(folder: Path, database: Database) -> Iterator[Shop]:
    """Apply the repository's declaration of both services, and start the store."""
    with (
        running_servers(folder) as servers,
        dev_server() as address,
        root(address) as operator,
    ):
        apply_both(operator, servers, database, folder / "declared")
        shop = Shop(operator, servers, database, start_store(operator, servers, folder), "")
        try:
            shop.store.start()
            shop.store.register(TEMARI)
            yield replace(shop, token=shop.store.login(TEMARI))
        finally:
            assert shop.store.process is not None
            shop.store.process.kill()
            shop.store.process.wait()


def apply_both(operator: Session, servers: Servers, database: Database, folder: Path) -> None:
    """Apply the services of the repository in a dev environment with both."""
    shutil.copytree(DECLARATION / "services", folder / "services")
    smtp = {"smtp-host": HOST, "smtp-port": servers.smtp.port}
    environment = {
        "environment": "dev",
        "owner": "platform-team",
        "vault": {"address": "http://127.0.0.1:8200"},
        "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
        "agent": {"render_interval": "5s"},
        "services": {
            "orders-mail": {"settings": smtp},
            "gaara-store": {
                "database": f"{HOST}:{database.accounts.superuser.port}",
                "redis": {"address": f"{HOST}:{servers.redis.port}"},
                "settings": smtp,
            },
        },
    }
    (folder / "environments").mkdir()
    (folder / "environments/dev.yaml").write_text(json.dumps(environment))
    given = {
        "database-url": f"postgresql+psycopg://{HOST}:{database.accounts.superuser.port}/gaara_store",
        "redis-url": servers.document["redis"]["url"],
        "smtp-password": servers.document["smtp"]["password"],
    }
    values = {
        f"secret/{scope.secret(name)}": value
        for scope in (STORE, WORKER)
        for name, value in given.items()
    }
    managers = {
        f"database/config/{STORE}": database.accounts.password("manager").reveal(),
        f"database/config/{STORE.redis_role()}": servers.redis_manager.password().reveal(),
    }
    apply_declared(operator, load(folder), {**values, **managers})


def start_store(operator: Session, servers: Servers, folder: Path) -> RunningStore:
    home = folder / "store"
    home.mkdir()
    url = operator.get(f"secret/data/{STORE.secret('database-url')}")["data"]["data"]["value"]
    document = {**servers.document, "database": {"url": url}}
    write_private(home / "app.json", json.dumps(document))
    variables = {
        "PATH": os.environ["PATH"],
        **issue_variables(operator, STORE, home),
        "STRONGROOM_CONFIG": str(home / "app.json"),
    }
    return RunningStore(variables, free_ports(1)[0], home / "store.log")


def test_order_is_mailed_by_a_worker_that_reads_only(shop: Shop, tmp_path: Path) -> None:
    before = shop.database.leased_users()
    with running_worker(shop, tmp_path) as worker:
        mail = shop.wait_for_mail(shop.order("a gourd of sand"))
        assert "1 x a gourd of sand" in mail
        assert f"X-Envelope-To: {TEMARI.email}" in mail
        (user,) = shop.database.leased_users() - before
        assert shop.database.roles_of(user) == {"gaara_store_readonly"}
        assert worker.stop() == 0
        assert "stopped" in worker.log
    wait_until(lambda: shop.database.leased_users() == before, "the end of the worker's user")
    assert TEMARI.email not in worker.log


def test_worker_survives_the_revocation_of_its_users(shop: Shop, tmp_path: Path) -> None:
    before = shop.database.leased_users()
    with running_worker(shop, tmp_path):
        shop.wait_for_mail(shop.order("a fan"))
        revoked = shop.database.leased_users() - before
        assert revoked
        prefix = f"database/creds/{WORKER.database_role('readonly')}"
        shop.operator.post(f"sys/leases/revoke-prefix/{prefix}")
        assert "another fan" in shop.wait_for_mail(shop.order("another fan"))
        used = shop.database.leased_users() - before
    assert used
    assert not used & revoked


def test_order_during_the_absence_of_the_worker_is_mailed_later(shop: Shop, tmp_path: Path) -> None:
    order_id = shop.order("a puppet")
    assert shop.pending() == 1
    with running_worker(shop, tmp_path):
        assert "a puppet" in shop.wait_for_mail(order_id)


def test_delivered_config_ends_an_outage_and_the_worker_stops_within_it(
    shop: Shop, tmp_path: Path
) -> None:
    with running_worker(shop, tmp_path, port=free_ports(1)[0]) as worker:
        order_id = shop.order("a scroll")
        wait_until(lambda: "will try again" in worker.log, "the outage")
        write_private(worker.config, toml(shop))
        shop.wait_for_mail(order_id)
        write_private(worker.config, toml(shop, port=free_ports(1)[0]))
        wait_until(lambda: worker.log.count("is now in effect") == 2, "the second config")
        kept = shop.order("another scroll")
        wait_until(lambda: worker.log.count("will try again") > 1, "the second outage")
        assert worker.stop() == 0
    assert shop.pending() == 1
    with redis.Redis.from_url(shop.servers.document["redis"]["url"]) as client:
        # As if the time had passed after which a restarted worker gets the message again.
        client.xgroup_setid(STREAM, GROUP, "0")
    with running_worker(shop, tmp_path):
        assert "another scroll" in shop.wait_for_mail(kept)


def test_receipt_is_printed_for_support(shop: Shop, tmp_path: Path) -> None:
    with running_worker(shop, tmp_path) as worker:
        order_id = shop.order("a receipt")
        shop.wait_for_mail(order_id)

        def receipt(of: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "examples.orders_mail", "--receipt", of],
                cwd=ROOT,
                env=worker.variables,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        found = receipt(order_id)
        assert json.loads(found.stdout)["recipient"] == TEMARI.email
        missing = receipt("00000000-0000-4000-8000-000000000000")
        assert (missing.returncode, missing.stdout) == (1, "")
        worker.process.send_signal(signal.SIGINT)
        assert worker.process.wait(STOP_SECONDS) == 0
