"""Queue of orders: a Redis stream with a consumer group, which delivers at least once.

A message stays in the stream until it is acknowledged. One that another worker received and did not
acknowledge within :data:`CLAIM_AFTER` is delivered again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from examples.order_messages import STREAM

GROUP: Final = "orders-mail"
#: Stream of messages that could not be handled, with the field :data:`REASON`.
DEAD: Final = "orders:dead"
REASON: Final = "reason"
BLOCK: Final = 1.0  # seconds to wait for a message
TIMEOUT: Final = 5.0  # seconds, to connect and for each answer; longer than BLOCK
CLAIM_AFTER: Final = 60.0  # seconds; longer than one attempt to send a mail
#: A message that is delivered more often ends the worker each time, or is never accepted.
MAX_DELIVERIES: Final = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message; *count* is how often it was delivered, this time included."""

    id: bytes
    fields: dict[bytes, bytes]
    count: int = 1


class OrderQueue:
    """Consumer of the stream in the Redis server at *url*."""

    def __init__(self, url: str, consumer: str, claim_after: float = CLAIM_AFTER) -> None:
        # Bytes, because one message that is not UTF-8 would fail each read of the stream.
        self._client: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._consumer = consumer
        self._claim_after = round(claim_after * 1000)  # milliseconds

    def receive(self) -> Delivery | None:
        """Return the next message, or None if there is none within :data:`BLOCK`."""
        try:
            return self._claim() or self._read()
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._create_group()
            return None

    def keep(self, delivery: Delivery) -> bool:
        """Tell the group that this worker still handles the message, and return whether it may.

        It may not if another worker has acknowledged or rejected the message.
        """
        ids = [delivery.id]
        return bool(self._client.xclaim(STREAM, GROUP, self._consumer, 0, ids, justid=True))

    def acknowledge(self, delivery: Delivery) -> None:
        """Delete the message, which was handled."""
        with self._client.pipeline(transaction=True) as pipeline:
            self._delete(pipeline, delivery)
            pipeline.execute()

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Move the message to the dead ones, so that it does not block others."""
        fields: dict[Any, Any] = {**delivery.fields, REASON: reason}
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xadd(DEAD, fields)
            self._delete(pipeline, delivery)
            pipeline.execute()

    def store(self, key: str, value: str, seconds: int) -> None:
        """Store *value* under *key* for a number of seconds."""
        self._client.set(key, value, ex=seconds)

    def load(self, key: str) -> str | None:
        """Return the value under *key*, or None if there is none."""
        value: bytes | None = self._client.get(key)
        return None if value is None else value.decode("ascii", "replace")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _claim(self) -> Delivery | None:
        """Return a message that was delivered before and not acknowledged."""
        answer = self._client.xautoclaim(STREAM, GROUP, self._consumer, self._claim_after, count=1)
        for message_id, fields in answer[1]:
            (pending,) = self._client.xpending_range(
                STREAM, GROUP, min=message_id, max=message_id, count=1
            )
            return Delivery(message_id, fields, pending["times_delivered"])
        return None

    def _read(self) -> Delivery | None:
        """Return a message that was not delivered before."""
        answer = self._client.xreadgroup(
            GROUP, self._consumer, {STREAM: ">"}, count=1, block=round(BLOCK * 1000)
        )
        for _, entries in answer or ():
            for message_id, fields in entries:
                return Delivery(message_id, fields)
        return None

    def _create_group(self) -> None:
        """Create the group, from the first message of the stream."""
        try:
            self._client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # another worker created it
                raise

    @staticmethod
    def _delete(pipeline: Any, delivery: Delivery) -> None:
        pipeline.xack(STREAM, GROUP, delivery.id)
        pipeline.xdel(STREAM, delivery.id)
