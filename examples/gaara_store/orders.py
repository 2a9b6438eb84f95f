"""Orders of the store, and the queue from which another service sends mail about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import DateTime, Engine, ForeignKey, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from examples.gaara_store.redis_connection import open_redis
from examples.gaara_store.tables import Base
from examples.order_messages import STREAM, seal_message

MAX_ITEM: Final = 200  # characters


class Order(Base):
    """A row of the table of orders, which the mail worker reads.

    It holds nothing personal, because readers of the database see it in plaintext.
    """

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    item: Mapped[str] = mapped_column(String(MAX_ITEM))
    quantity: Mapped[int]
    placed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Orders:
    """Table of placed orders."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def place(
        self,
        user_id: UUID,
        item: str,
        quantity: int,
        *,
        now: datetime,
        announce: Callable[[UUID], None],
    ) -> UUID:
        """Add an order and return its id.

        The order is announced before the commit, so no order is stored without its message. If the
        commit fails, a message is left whose order does not exist; its reader drops it.
        """
        order = Order(id=uuid4(), user_id=user_id, item=item, quantity=quantity, placed_at=now)
        order_id = order.id
        with Session(self._engine) as session, session.begin():
            session.add(order)
            session.flush()
            announce(order_id)
        return order_id


@dataclass(frozen=True, slots=True)
class OrderQueue:
    """Queue of order messages in the Redis server at *url*."""

    url: SecretStr

    def add(self, order_id: UUID, recipient: str) -> None:
        """Add a message about the order, with the encrypted address of its customer."""
        message = seal_message(order_id, recipient, self.url.get_secret_value())
        with open_redis(self.url, "the order queue") as client:
            client.xadd(STREAM, {**message.fields()})
