"""Orders over HTTP, with a real Redis server, SQLite, and keys in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from examples.order_messages import STREAM, open_recipient, parse_message
from tests.support.servers.store_parts import PERSON, Servers, Shop

pytestmark = pytest.mark.requires("embedded")

ORDER = {"item": "a gourd of sand", "quantity": 2}


@pytest.fixture
def queue(servers: Servers) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(servers.document["redis"]["url"]) as client:
        client.flushall()
        yield client


def orders(shop: Shop) -> list[tuple[str, int]]:
    with shop.engine.connect() as connection:
        rows = connection.execute(text("SELECT item, quantity FROM orders"))
        return [(row.item, row.quantity) for row in rows]


def stored_message(queue: redis.Redis) -> dict[bytes, bytes]:
    """Return the fields of the only message in the stream."""
    entries: Any = queue.xrange(STREAM)
    ((_, fields),) = entries
    return dict(fields)


def test_order_is_stored_and_announced_with_the_encrypted_address(
    shop: Shop, queue: redis.Redis, servers: Servers
) -> None:
    answer = shop.client.post("/orders", json=ORDER, headers=shop.register_and_login("gaara"))
    assert answer.status_code == 201
    assert orders(shop) == [("a gourd of sand", 2)]
    fields = stored_message(queue)
    assert PERSON["email"].encode() not in b"".join(fields.values())
    message = parse_message(fields)
    assert message.order_id == UUID(answer.get_json()["id"])
    assert open_recipient(message, [servers.document["redis"]["url"]]) == PERSON["email"]


def test_order_is_not_stored_while_the_queue_is_unavailable(shop: Shop, queue: redis.Redis) -> None:
    header = shop.register_and_login("gaara")
    shop.deliver("redis", url="redis://:unused-redis-password@127.0.0.1:1/0")
    answer = shop.client.post("/orders", json=ORDER, headers=header)
    assert answer.status_code == 503
    assert "the order queue" in answer.get_json()["message"]
    assert orders(shop) == []
    assert queue.xlen(STREAM) == 0


def test_order_that_cannot_be_stored_is_not_announced(
    shop: Shop, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = shop.register_and_login("gaara")

    def fail(*_: object) -> None:
        raise OperationalError("INSERT", None, Exception("the database is down"))

    monkeypatch.setattr(Session, "flush", fail)
    assert shop.client.post("/orders", json=ORDER, headers=header).status_code == 503
    assert queue.xlen(STREAM) == 0


@pytest.mark.parametrize(
    "body",
    [{}, {"item": ""}, {"item": "a\nb"}, {"item": "a", "quantity": 0}, {"item": "a", "more": 1}],
)
def test_invalid_order_is_rejected(shop: Shop, queue: redis.Redis, body: dict[str, object]) -> None:
    header = shop.register_and_login("gaara")
    assert shop.client.post("/orders", json=body, headers=header).status_code == 400
    assert queue.xlen(STREAM) == 0


def test_order_requires_a_login(shop: Shop) -> None:
    assert shop.client.post("/orders", json=ORDER).status_code == 401
