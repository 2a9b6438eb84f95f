"""Receipts of sent mail, encrypted with the worker's own key.

They prevent most repetitions of a mail, and tell support when a mail was sent, and to whom.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app_integration import decrypt_field, encrypt_field
from examples.orders_mail.order_queue import OrderQueue

KEY: Final = "receipts"  # in the file of the service: keys
LIFETIME: Final = 30 * 24 * 3600  # seconds


def seal(order_id: UUID, recipient: str, now: datetime) -> str:
    """Return an encrypted receipt, which is bound to the order."""
    receipt = {"recipient": recipient, "sent_at": now.isoformat()}
    token: str = encrypt_field(receipt, context={"order": str(order_id)}, key=KEY)
    return token


def store(queue: OrderQueue, order_id: UUID, token: str) -> None:
    """Store the receipt of a sent mail."""
    queue.store(_name(order_id), token, LIFETIME)


def exists(queue: OrderQueue, order_id: UUID) -> bool:
    """Return whether the mail about the order was sent."""
    return queue.load(_name(order_id)) is not None


def load(queue: OrderQueue, order_id: UUID) -> dict[str, Any] | None:
    """Return the decrypted receipt of the order, or None if no mail was sent."""
    token = queue.load(_name(order_id))
    if token is None:
        return None
    receipt: dict[str, Any] = decrypt_field(token, context={"order": str(order_id)}, key=KEY)
    return receipt


def _name(order_id: UUID) -> str:
    return f"orders-mail:receipt:{order_id}"
