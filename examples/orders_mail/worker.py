"""Loop of the worker: receive a message, send the mail, acknowledge the message."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Final, Generic, TypeVar

from pydantic import SecretStr
from sqlalchemy import Engine

from app_integration import current_and_previous
from app_integration.config.loader import ConfigFile
from app_integration.errors import StrongroomError
from examples.order_messages import InvalidMessage, OrderMessage, open_recipient, parse_message
from examples.orders_mail import mail, receipts
from examples.orders_mail.config import WorkerConfig
from examples.orders_mail.order_queue import MAX_DELIVERIES, Delivery, OrderQueue
from examples.orders_mail.orders import Order, find_order
from examples.orders_mail.outcomes import OUTAGE, Postponed, Rejected, describe

T = TypeVar("T")


class DeliveredUrl(Generic[T]):
    """An object that connects to a URL, replaced when another URL is delivered."""

    def __init__(self, build: Callable[[str], T], close: Callable[[T], object]) -> None:
        self._build = build
        self._close = close
        self._built: tuple[str, T] | None = None

    def get(self, url: SecretStr) -> T:
        """Return the object for *url*."""
        text = url.get_secret_value()
        if self._built is None or self._built[0] != text:
            self.close()
            self._built = (text, self._build(text))
        return self._built[1]

    def close(self) -> None:
        """Close the object, if there is one."""
        if self._built is not None:
            built, self._built = self._built[1], None
            self._close(built)


log = logging.getLogger("orders_mail")

#: Secret with the URL of the queue, also under its previous version.
QUEUE_SECRET: Final = "redis-url"  # noqa: S105 (a name)
#: Seconds for which the queue's previous password decrypts messages.
GRACE: Final = 3600.0
FIRST_BACKOFF: Final = 1.0  # seconds
MAX_BACKOFF: Final = 30.0  # seconds; shorter than the time after which others claim a message


class Worker:
    """Worker that handles one message at a time.

    The config is read at each use, so that a changed secret needs no restart.
    """

    def __init__(
        self,
        config_file: ConfigFile[WorkerConfig],
        *,
        engine: Callable[[str], Engine],
        queue: Callable[[str], OrderQueue],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config_file = config_file
        self._engines = DeliveredUrl(engine, Engine.dispose)
        self._queues = DeliveredUrl(queue, OrderQueue.close)
        self._now = now
        self._stop = threading.Event()

    def stop(self) -> None:
        """End :meth:`run` after the current attempt. A signal handler may call it."""
        self._stop.set()

    def run(self) -> None:
        """Handle messages until :meth:`stop` is called."""
        try:
            while not self._stop.is_set():
                delivery = self._retry(self._receive)
                if delivery is not None:
                    self._retry(partial(self._settle, delivery))
        finally:
            self._engines.close()
            self._queues.close()

    def _receive(self) -> Delivery | None:
        return self._queue.receive()

    def _retry(self, action: Callable[[], Delivery | None]) -> Delivery | None:
        """Return the result of *action*, repeated during an outage; None if the worker stops.

        The message in hand stays first, because an outage concerns all messages.
        """
        backoff = FIRST_BACKOFF
        while not self._stop.is_set():
            try:
                return action()
            except OUTAGE as error:
                log.warning("will try again in %.0f s: %s", backoff, describe(error))
            self._stop.wait(backoff)
            backoff = min(2 * backoff, MAX_BACKOFF)
        return None

    def _settle(self, delivery: Delivery) -> None:
        """Handle a message, and acknowledge, postpone or reject it; an outage is raised."""
        queue = self._queue
        try:
            if queue.keep(delivery):
                self._handle(queue, delivery)
                queue.acknowledge(delivery)
        except OUTAGE:
            raise
        except Postponed as error:
            log.warning("message %s is postponed: %s", _id(delivery), error)
        except (Rejected, InvalidMessage) as error:
            self._reject(queue, delivery, str(error))
        except Exception as error:  # noqa: BLE001 (otherwise this message would block all others)
            self._reject(queue, delivery, f"unexpected {type(error).__name__}")

    def _handle(self, queue: OrderQueue, delivery: Delivery) -> None:
        if delivery.count > MAX_DELIVERIES:
            raise Rejected(f"delivered more than {MAX_DELIVERIES} times")
        message = parse_message(delivery.fields)
        if receipts.exists(queue, message.order_id):
            return  # because the worker ended between sending and acknowledging
        self._send(queue, message, self._find_order(message))

    def _find_order(self, message: OrderMessage) -> Order:
        engine = self._engines.get(self._config.database.url)
        order = find_order(engine, message.order_id, self._stop.wait)
        if order is None:
            raise Postponed(f"the order {message.order_id} does not exist")
        return order

    def _send(self, queue: OrderQueue, message: OrderMessage, order: Order) -> None:
        recipient = open_recipient(message, self._queue_urls())
        # Encrypt the receipt first. If the key were unavailable after sending, the mail would be
        # sent again.
        receipt = receipts.seal(order.id, recipient, self._now())
        mail.send(self._config.smtp, mail.build_message(order, recipient))
        receipts.store(queue, order.id, receipt)
        log.info("sent the mail about the order %s", order.id)

    def _queue_urls(self) -> Iterator[str]:
        """Yield the delivered URL of the queue, then the current and the previous one."""
        yield self._config.queue.url.get_secret_value()
        try:
            urls = current_and_previous(QUEUE_SECRET, grace=GRACE)
        except StrongroomError as error:
            # This message may be one that no password decrypts, which must not block others.
            raise Postponed(f"the queue's previous password is unavailable: {error}") from None
        yield from (url.reveal() for url in urls if url is not None)

    def _reject(self, queue: OrderQueue, delivery: Delivery, reason: str) -> None:
        log.error("message %s is rejected: %s", _id(delivery), reason)
        queue.reject(delivery, reason)

    @property
    def _config(self) -> WorkerConfig:
        return self._config_file.current()

    @property
    def _queue(self) -> OrderQueue:
        return self._queues.get(self._config.queue.url)


def _id(delivery: Delivery) -> str:
    return delivery.id.decode("ascii", "replace")
