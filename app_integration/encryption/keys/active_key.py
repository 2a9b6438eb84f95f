"""The data key that one process writes with: minted, counted, followed by another in time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption.keys.data_key import DataKey
from app_integration.encryption.keys.usage_limits import UsageLimits
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.settings import Limits

log = logging.getLogger(__name__)

#: Messages under one key with random 96-bit nonces: the limit of NIST SP 800-38D, 8.3.
HARD_STOP: Final = 2**32

Background: TypeAlias = Callable[[Callable[[], object]], object]
Stored: TypeAlias = Callable[[DataKey], bool]
Report: TypeAlias = Callable[[str], object]


def silent(_outcome: str) -> None:
    """Tell nobody."""


class WriteKey:
    """A data key with what it may still encrypt."""

    __slots__ = ("budget", "key")

    def __init__(self, key: DataKey, budget: UsageLimits) -> None:
        self.key = key
        self.budget = budget


class ActiveDataKey:
    """One data key at a time, within its bounds. Thread-safe.

    Each process mints its own, so that its count of messages is exact; a fork begins without. At
    nine tenths of its bounds a key's successor is made in the background; while that fails, the
    key goes on to its bounds. A key that is kept in a store is looked for there: without having
    been seen in the last 60 s it encrypts nothing, as what it encrypted might open nowhere else.

    Attributes:
        current: the key, which may be at its end; None before the first.
        unit: bytes that one message holds.
        total: messages that one key may encrypt.

    """

    def __init__(
        self,
        mint: Callable[[], DataKey],
        limits: Limits,
        clock: Callable[[], float],
        background: Background,
        stored: Stored | None = None,
        report: Report = silent,
    ) -> None:
        """Args: *mint* makes a key; *background* runs what it is given, elsewhere.

        *stored* tells whether a key is still in its store as it was written; None for keys that
        need no store. *report* is told how each look went: ``ok``, ``KeyLost``, or the error.

        Raises:
            ConfigurationError: *limits* that no key can keep.

        """
        _check(limits)
        self._mint_key = mint
        self._limits = limits
        self._clock = clock
        self._background = background
        self._stored = stored
        self._report = report
        self.current: WriteKey | None = None
        self.unit, self.total = self._budget().unit, self._budget().total
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop the key and the locks; what holds the key encrypts nothing more with it."""
        current, self.current = self.current, None
        if current is not None:
            current.budget.close()
        self._flights: SingleFlight[WriteKey] = SingleFlight()

    @property
    def warm(self) -> bool:
        """Whether a key is held that may encrypt now: no request is needed for a small value."""
        current = self.current
        return current is not None and current.budget.open(self._clock())

    def key(self, size: int) -> DataKey:
        """A key that may encrypt *size* bytes; they are counted. Raises as :meth:`key_for`."""
        return self.key_for(self.messages(size))

    def messages(self, size: int) -> int:
        """How many messages a value of *size* bytes takes."""
        return max(1, -(-size // self.unit))

    def key_for(self, messages: int) -> DataKey:
        """A key that may encrypt that many messages more; they are counted.

        Raises:
            KeyUnavailable: the last key reached a bound and no new one can be had.
            ConfigurationError: no key may ever encrypt that many.

        """
        while True:
            current = self.current
            if current is not None and current.budget.unproven(self._clock()):
                self._flights.do("check", partial(self._check, current))
                continue
            if current is not None and self._spend(current, messages):
                return current.key
            if messages > self.total:
                raise ConfigurationError(
                    "a value of more bytes than one data key may encrypt: raise data_key_bytes, or "
                    "store a file"
                )
            spent = None if current is None else current.budget
            self._flights.do("write", partial(self._mint, spent))

    def _spend(self, current: WriteKey, messages: int) -> bool:
        now, budget = self._clock(), current.budget
        spent = budget.spend(messages, now)
        if spent and budget.due(now):
            self._background(partial(self._renew, budget))
        if spent and budget.check_due(now):
            self._background(partial(self._check_ahead, current))
        return spent

    def _check_ahead(self, current: WriteKey) -> None:
        try:
            self._flights.do("check", partial(self._check, current))
        except StrongroomError as error:
            log.warning("whether data key %d is stored isn't known: %s", current.key.number, error)

    def _check(self, current: WriteKey) -> WriteKey:
        """Look for *current* in the store, and drop it when it isn't there as it was written."""
        now = self._clock()  # first: a slow answer shortens the time for which it counts
        try:
            stored = self._stored is None or self._stored(current.key)
        except StrongroomError as error:
            self._report(type(error).__name__)
            raise
        self._report("ok" if stored else "KeyLost")
        if stored:
            current.budget.proven(now)
        else:
            self._drop(current)
        return current

    def _drop(self, current: WriteKey) -> None:
        log.error(
            "data key %d isn't stored any more as it was written, and encrypts nothing from now "
            "on; what it encrypted opens only in processes that hold it: restore its row",
            current.key.number,
        )
        current.budget.close()
        if self.current is current:
            self.current = None

    def _renew(self, budget: UsageLimits) -> None:
        try:
            self._flights.do("write", partial(self._mint, budget))
        except StrongroomError as error:
            log.warning("no new data key ahead of the old one's end: %s", error)

    def _mint(self, spent: UsageLimits | None) -> WriteKey:
        """A key in place of the one with the budget *spent*, unless it was made meanwhile."""
        current = self.current
        if current is not None and current.budget is not spent:
            return current
        # The clock is read before the key is made: a slow answer shortens its life.
        budget = self._budget()
        minted = self.current = WriteKey(self._mint_key(), budget)
        return minted

    def _budget(self) -> UsageLimits:
        limits = self._limits
        return UsageLimits(
            messages=limits.data_key_messages,
            size=limits.data_key_bytes,
            now=self._clock(),
            age=limits.data_key_age,
            stored=self._stored is not None,
        )


def in_a_thread(work: Callable[[], object]) -> None:
    """Run *work* in a daemon thread; not at all while the interpreter shuts down."""
    try:
        threading.Thread(target=work, name="strongroom-data-key", daemon=True).start()
    except RuntimeError:
        log.debug("no thread can be started; the data key goes on to its end")


def _check(limits: Limits) -> None:
    if not 1 <= limits.data_key_messages <= HARD_STOP:
        raise ConfigurationError(
            f"data_key_messages is {limits.data_key_messages}; use 1 to 2**32 (NIST SP 800-38D)"
        )
    if limits.data_key_bytes < 1 or limits.data_key_age < 1 or limits.data_key_cache < 1:
        raise ConfigurationError(
            "data_key_bytes, data_key_age (seconds) and data_key_cache are 1 or more"
        )
