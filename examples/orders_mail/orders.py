"""Orders in the store's database, read with users that cannot change them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Engine, Integer, String, Uuid, column, select, table

from app_integration import database_engine

#: Name of the role in the file of the service: ``database.roles``.
ROLE: Final = "readonly"
CONNECT_TIMEOUT: Final = 3  # seconds
POOL_SIZE: Final = 1  # connections, because the worker handles one message at a time
#: Seconds between the attempts to read an order. Its message is written before it is committed.
COMMIT_WAITS: Final = (0.05, 0.2, 1.0)

_ORDERS: Final = table(
    "orders", column("id", Uuid), column("item", String), column("quantity", Integer)
)


@dataclass(frozen=True, slots=True)
class Order:
    """Part of an order that the mail contains."""

    id: UUID
    item: str
    quantity: int


def connect(url: str) -> Engine:
    """Return an engine with read-only users for the database at *url*, without connecting.

    AWS leases none: there it is the user in *url*.
    """
    is_leased = os.environ.get("SECRETS_BACKEND", "vault") == "vault"
    return database_engine(
        role=ROLE if is_leased else None,
        url=url,
        hide_parameters=True,
        pool_size=POOL_SIZE,
        max_overflow=0,
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "orders-mail"},
    )


def find_order(engine: Engine, order_id: UUID, wait: Callable[[float], object]) -> Order | None:
    """Return the order, or None if it is not committed after :data:`COMMIT_WAITS`."""
    for seconds in (*COMMIT_WAITS, None):
        if order := _read(engine, order_id):
            return order
        if seconds is not None:
            wait(seconds)
    return None


def _read(engine: Engine, order_id: UUID) -> Order | None:
    query = select(_ORDERS).where(_ORDERS.c.id == order_id)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return Order(row.id, row.item, row.quantity) if row else None
