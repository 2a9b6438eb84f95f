"""What one data key may still encrypt, counted exactly among the threads of one process."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from operator import length_hint
from typing import Final

BATCH: Final = 4096  # messages handed out at once: a lock for each would cost as much as a nonce
RENEW_AT: Final = 0.9  # share of a key's bounds after which a successor is made ahead
RENEW_RETRY: Final = 60.0  # seconds between attempts to make it
PROVEN_FOR: Final = 60.0  # seconds that a stored key counts as stored, once it was seen so
CHECK_AT: Final = 30.0  # seconds after which it is looked at again, ahead of that
CHECK_RETRY: Final = 5.0  # seconds between attempts to look


class UsageLimits:
    """Messages, bytes and time of one data key.

    Bytes are counted in messages: a value takes one for each *unit* of bytes that it begins, and a
    unit is so large that as many of them as there are messages make *size* bytes. So neither bound
    is ever passed, though a key that encrypts few large and many small values ends early.

    A key that is *stored* is used only while it is known to be: see :meth:`proven`.

    Attributes:
        unit: bytes of plaintext that one message holds.
        total: messages in all.
        expires: seconds on the keyring's clock, after which nothing is encrypted.
        renew: seconds on the same clock, after which a successor or a look at the store is due; at
            most *expires*.
        take: counts one message of at most *unit* bytes, without the lock; StopIteration when
            :meth:`spend` has to be asked. Who calls it looks at *renew* first.

    """

    __slots__ = (
        "_check",
        "_grant",
        "_left",
        "_lock",
        "_low",
        "_proven",
        "_successor",
        "expires",
        "renew",
        "take",
        "total",
        "unit",
    )

    def __init__(
        self, *, messages: int, size: int, now: float, age: float, stored: bool = False
    ) -> None:
        """Args: *size* in bytes; *now* and *age* in seconds, on the keyring's clock."""
        self.unit = max(1, size // messages)
        self.total = self._left = min(messages, size // self.unit)
        # A key of few messages isn't worth a request ahead of its end.
        self._low = int(self.total * (1 - RENEW_AT)) if self.total > 16 * BATCH else 0
        self._lock = threading.Lock()
        self.expires = now + age
        self._successor = now + age * RENEW_AT
        self._proven = self._check = math.inf
        self.renew = self._successor
        if stored:
            self.proven(now)
        self._grant: Iterator[int] = iter(())
        self.take = self._grant.__next__

    def spend(self, messages: int, now: float) -> bool:
        """Take that many messages at *now*; False, and nothing taken, when there are fewer."""
        with self._lock:
            if now >= min(self.expires, self._proven):
                return False
            if messages == 1 and self._granted():
                return True
            if self._left < messages:
                self._reclaim()
            if self._left < messages:
                return False
            self._left -= messages
            return True

    def _granted(self) -> bool:
        """Take one message from the grant, or from a new one; under the lock."""
        for _ in range(2):
            try:
                self.take()
            except StopIteration:
                granted = min(BATCH, self._left)
                self._left -= granted
                self._grant = iter(range(granted))
                self.take = self._grant.__next__
            else:
                return True
        return False

    def _reclaim(self) -> None:
        """Take back what is left of the grant: whoever still counts by it finds it used up."""
        self._left += len(list(self._grant))

    def open(self, now: float) -> bool:
        """Whether a small value may be encrypted at *now*."""
        return now < min(self.expires, self._proven) and self._left + length_hint(self._grant) > 0

    def due(self, now: float) -> bool:
        """Whether a successor is to be made now; said once, and again a while later."""
        with self._lock:
            if now < self._successor and self._left >= self._low:
                return False
            self._successor = min(now + RENEW_RETRY, self.expires)
            self.renew = min(self._successor, self._check)
            self._low //= 2
            return True

    def proven(self, now: float) -> None:
        """Take the key for stored as it was written: that was seen at *now*."""
        with self._lock:
            self._proven, self._check = now + PROVEN_FOR, now + CHECK_AT
            self.renew = min(self._successor, self._check)

    def unproven(self, now: float) -> bool:
        """Whether nothing more is encrypted until it is seen that the key is stored."""
        return self._proven <= now < self.expires

    def check_due(self, now: float) -> bool:
        """Whether the store is to be looked at now; said once, and again a while later."""
        with self._lock:
            if now < self._check:
                return False
            self._check = min(now + CHECK_RETRY, self._proven)
            self.renew = min(self._successor, self._check)
            return True

    def close(self) -> None:
        """Nothing more is encrypted: the process forked, or the key was dropped."""
        self._left = 0
        self.expires = self.renew = self._successor = -math.inf
        self._grant = iter(())
        self.take = self._grant.__next__
