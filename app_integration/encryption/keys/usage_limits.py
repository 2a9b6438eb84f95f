"""Usage limits of one data key, counted exactly among the threads of one process."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from operator import length_hint
from typing import Final

#: Messages that are reserved at once, because a lock for each would cost as much as a nonce.
BATCH: Final = 4096
RENEW_AT: Final = 0.9  # share of a key's limits after which the next key is generated
RENEW_RETRY: Final = 60.0  # seconds between attempts to generate it
CHECK_VALID_FOR: Final = 60.0  # seconds for which a check of the store is valid
CHECK_AFTER: Final = 30.0  # seconds after which the store is checked again, before that expires
CHECK_RETRY: Final = 5.0  # seconds between attempts to check


class UsageLimits:
    """Remaining messages, bytes and time of one data key. Thread-safe.

    A value counts as one message for each *message_size* bytes that it begins, and *total* messages
    hold at most *size* bytes, so neither limit is ever exceeded. Times are seconds on the keyring's
    clock. A *stored* key encrypts only while a recent check found it in its store.

    *consume_one* counts one message of at most *message_size* bytes without the lock, and only
    before *fast_path_until*. It raises StopIteration if the caller must use :meth:`consume`
    instead.
    """

    __slots__ = (
        "_batch",
        "_check_at",
        "_lock",
        "_remaining",
        "_renew_at",
        "_renew_below",
        "_valid_until",
        "consume_one",
        "expires_at",
        "fast_path_until",
        "message_size",
        "total",
    )

    def __init__(
        self, *, messages: int, size: int, now: float, age: float, stored: bool = False
    ) -> None:
        """Start counting for a new key."""
        self.message_size = max(1, size // messages)
        self.total = self._remaining = min(messages, size // self.message_size)
        # A key for few messages is not replaced ahead, because that is not worth a request.
        self._renew_below = int(self.total * (1 - RENEW_AT)) if self.total > 16 * BATCH else 0
        self._lock = threading.Lock()
        self.expires_at = now + age
        self._renew_at = now + age * RENEW_AT
        self._valid_until = self._check_at = math.inf
        self.fast_path_until = self._renew_at
        if stored:
            self.note_stored(now)
        self._batch: Iterator[int] = iter(())
        self.consume_one = self._batch.__next__

    def consume(self, messages: int, now: float) -> bool:
        """Count that many messages at *now*; return False, and count none, if too few are left."""
        with self._lock:
            if now >= min(self.expires_at, self._valid_until):
                return False
            if messages == 1 and self._consume_from_batch():
                return True
            if self._remaining < messages:
                self._reclaim()
            if self._remaining < messages:
                return False
            self._remaining -= messages
            return True

    def _consume_from_batch(self) -> bool:
        """Count one message of the reserved batch, or of a new one. The caller holds the lock."""
        for _ in range(2):
            try:
                self.consume_one()
            except StopIteration:
                size = min(BATCH, self._remaining)
                self._remaining -= size
                self._batch = iter(range(size))
                self.consume_one = self._batch.__next__
            else:
                return True
        return False

    def _reclaim(self) -> None:
        """Return the rest of the reserved batch to the count; an old *consume_one* then stops."""
        self._remaining += len(list(self._batch))

    def is_usable(self, now: float) -> bool:
        """Return whether a small value may be encrypted at *now*."""
        return (
            now < min(self.expires_at, self._valid_until)
            and self._remaining + length_hint(self._batch) > 0
        )

    def claim_renewal(self, now: float) -> bool:
        """Return whether the next key must be generated now.

        It returns True once, and again after *RENEW_RETRY* seconds or when half of the rest is
        used, so that one caller at a time generates a key.
        """
        with self._lock:
            if now < self._renew_at and self._remaining >= self._renew_below:
                return False
            self._renew_at = min(now + RENEW_RETRY, self.expires_at)
            self.fast_path_until = min(self._renew_at, self._check_at)
            self._renew_below //= 2
            return True

    def note_stored(self, now: float) -> None:
        """Record that the key was in its store, unaltered, at *now*."""
        with self._lock:
            self._valid_until, self._check_at = now + CHECK_VALID_FOR, now + CHECK_AFTER
            self.fast_path_until = min(self._renew_at, self._check_at)

    def needs_check(self, now: float) -> bool:
        """Return whether the store must be checked before the key may encrypt again."""
        return self._valid_until <= now < self.expires_at

    def claim_check(self, now: float) -> bool:
        """Return whether the store must be checked now.

        It returns True once, and again after *CHECK_RETRY* seconds, so that one caller at a time
        checks.
        """
        with self._lock:
            if now < self._check_at:
                return False
            self._check_at = min(now + CHECK_RETRY, self._valid_until)
            self.fast_path_until = min(self._renew_at, self._check_at)
            return True

    def close(self) -> None:
        """Stop all encryption with the key, after a fork or when the key was dropped."""
        self._remaining = 0
        self.expires_at = self.fast_path_until = self._renew_at = -math.inf
        self._batch = iter(())
        self.consume_one = self._batch.__next__
