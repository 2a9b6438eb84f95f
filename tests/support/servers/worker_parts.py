"""Mail worker in this process: real Redis and mail servers, SQLite, and keys in this process."""

from __future__ import annotations

import copy
import email
import email.policy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from app_integration import default_client
from app_integration.config.loader import CHECK_INTERVAL, ConfigFile
from app_integration.encryption.cipher import FieldCipher
from app_integration.errors import Unreachable
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from examples.gaara_store.database import User
from examples.gaara_store.orders import Order
from examples.gaara_store.tables import Base
from examples.order_messages import STREAM, seal_message
from examples.orders_mail import orders, worker
from examples.orders_mail.config import WorkerConfig
from examples.orders_mail.order_queue import DEAD, OrderQueue
from examples.orders_mail.worker import Worker
from tests.support.clock import Clock
from tests.support.polling import wait_until
from tests.support.servers.store_parts import LocalKeys, Servers, deliver

SCOPE = Scope("orders-mail", Environment.DEV)
ADDRESS = "gaara@example.com"
NOW = datetime(2026, 7, 1, tzinfo=UTC)


class LocalClient:
    """Part of the SDK's client that receipts use, with keys in memory."""

    def __init__(self, keys: LocalKeys) -> None:
        self._cipher = FieldCipher(keys, SCOPE)

    def cipher(self, key: str) -> FieldCipher:
        assert key == "receipts"
        return self._cipher


@dataclass
class MailRoom:
    """Servers of a worker, and the parts of its surroundings that tests change."""

    engine: Engine
    servers: Servers
    config_path: Path
    document: dict[str, Any]
    client: Any
    keys: LocalKeys = field(default_factory=LocalKeys)
    clock: Clock = field(default_factory=Clock)
    urls: Sequence[Secret | None] | None = ()

    @property
    def url(self) -> str:
        return str(self.servers.document["redis"]["url"])

    def place(self, item: str = "a gourd of sand", recipient: str = ADDRESS) -> UUID:
        """Store an order, announce it as the store does, and return its id."""
        order_id = uuid4()
        with Session(self.engine) as session, session.begin():
            session.add(Order(id=order_id, user_id=uuid4(), item=item, quantity=2, placed_at=NOW))
        self.announce(order_id, recipient)
        return order_id

    def announce(self, order_id: UUID, recipient: str = ADDRESS, url: str = "") -> None:
        self.client.xadd(STREAM, {**seal_message(order_id, recipient, url or self.url).fields()})

    def deliver(self, section: str, **values: Any) -> None:
        """Deliver the config with *values* changed in *section*."""
        self.document[section] |= values
        deliver(self.document, self.config_path)
        self.clock.now += CHECK_INTERVAL

    def mails(self) -> list[EmailMessage]:
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in sorted(self.servers.mail.glob("*.eml"))
        ]

    def dead(self) -> list[str]:
        return [fields[b"reason"].decode() for _, fields in self.client.xrange(DEAD)]

    def pending(self) -> int:
        groups = self.client.xinfo_groups(STREAM)
        return sum(group["pending"] for group in groups)

    def is_empty(self) -> bool:
        return bool(self.client.xlen(STREAM) == 0)

    def queue(self, consumer: str = "one") -> OrderQueue:
        """Return a queue, which delivers unacknowledged messages again at once."""
        return OrderQueue(self.url, consumer, 0.0)

    def worker(self) -> Worker:
        return Worker(
            ConfigFile(WorkerConfig, self.config_path, clock=self.clock),
            engine=lambda _url: self.engine,
            queue=lambda url: OrderQueue(url, "one", 0.0),
            now=lambda: NOW,
        )

    @contextmanager
    def running(self) -> Iterator[Worker]:
        """Run a worker until the block ends, and check that it stops."""
        running = self.worker()
        thread = threading.Thread(target=running.run)
        thread.start()
        try:
            yield running
        finally:
            running.stop()
            thread.join(20)
        assert not thread.is_alive()

    def work_until_empty(self) -> None:
        with self.running():
            wait_until(self.is_empty, "an empty queue", 20)


@contextmanager
def open_mail_room(servers: Servers, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[MailRoom]:
    """Open the surroundings of a worker, with an SQLite database in *folder* and without Vault."""
    assert User.__tablename__ == "users", "the orders refer to it"
    engine = create_engine(f"sqlite:///{folder / 'store.db'}")
    Base.metadata.create_all(engine)
    for path in servers.mail.glob("*.eml"):
        path.unlink()
    document = {
        "database": {"url": "sqlite://unused-database-url"},
        "queue": {"url": servers.document["redis"]["url"]},
        "smtp": copy.deepcopy(servers.document["smtp"]),
    }
    deliver(document, folder / "worker.json")
    with redis.Redis.from_url(servers.document["redis"]["url"]) as client:
        client.flushall()
        room = MailRoom(engine, servers, folder / "worker.json", document, client)

        def current_and_previous(*_: object, **__: object) -> Sequence[Secret | None]:
            if room.urls is None:
                raise Unreachable("the server is unreachable")
            return room.urls

        patch.setattr(default_client, "get_default_client", lambda: LocalClient(room.keys))
        patch.setattr(worker, "current_and_previous", current_and_previous)
        patch.setattr(worker, "FIRST_BACKOFF", 0.05)
        patch.setattr(orders, "COMMIT_WAITS", (0.0,))
        yield room
    engine.dispose()
