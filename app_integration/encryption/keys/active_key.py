"""Data key that one process encrypts with: generated, counted, and replaced in time."""

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
IsStored: TypeAlias = Callable[[DataKey], bool]
Report: TypeAlias = Callable[[str], object]


def report_nothing(_outcome: str) -> None:
    """Ignore the outcome of a check."""


class CountedKey:
    """A data key and its usage limits."""

    __slots__ = ("key", "usage")

    def __init__(self, key: DataKey, usage: UsageLimits) -> None:
        self.key = key
        self.usage = usage


class ActiveDataKey:
    """Source of one data key at a time, within its limits. Thread-safe.

    Each process generates its own key, so that its count of messages is exact; a fork begins
    without one. At nine tenths of the limits the next key is generated in the background; while
    that fails, the current one is used up to them. A key of a store that was not seen there within
    the last 60 s encrypts nothing, because its tokens might not be decryptable anywhere else.
    """

    def __init__(
        self,
        generate: Callable[[], DataKey],
        limits: Limits,
        clock: Callable[[], float],
        background: Background,
        is_stored: IsStored | None = None,
        report: Report = report_nothing,
    ) -> None:
        """Create the source without a key. The first call that needs a key generates one.

        *is_stored* is None for keys that need no store. *report* gets the outcome of each check of
        the store: ``ok``, ``KeyLost``, or the name of the error.
        """
        _check_limits(limits)
        self._generate = generate
        self._limits = limits
        self._clock = clock
        self._background = background
        self._is_stored = is_stored
        self._report = report
        self.current: CountedKey | None = None
        usage = self._new_usage()
        self.message_size, self.total = usage.message_size, usage.total
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop the key and recreate the locks.

        The usage limits of the dropped key are closed, so code that kept the key cannot encrypt
        with it.
        """
        current, self.current = self.current, None
        if current is not None:
            current.usage.close()
        self._flights: SingleFlight[CountedKey] = SingleFlight()

    @property
    def has_usable_key(self) -> bool:
        """Return whether there is a key that may encrypt a small value now, without a request."""
        current = self.current
        return current is not None and current.usage.is_usable(self._clock())

    def count_messages(self, size: int) -> int:
        """Return the number of messages that a value of *size* bytes counts as."""
        return max(1, -(-size // self.message_size))

    def reserve_messages(self, messages: int) -> DataKey:
        """Return a key that may encrypt that many more messages, and count them.

        Raises KeyUnavailable if the last key reached a limit and no new one can be wrapped or
        stored.
        """
        while True:
            current = self.current
            if current is not None and current.usage.needs_check(self._clock()):
                self._flights.do("check", partial(self._check_stored, current))
                continue
            if current is not None and self._consume(current, messages):
                return current.key
            if messages > self.total:
                raise ConfigurationError(
                    "cannot encrypt a value of more bytes than one data key may encrypt; raise "
                    "data_key_bytes, or store the value in a file"
                )
            old = None if current is None else current.usage
            self._flights.do("write", partial(self._replace, old))

    def _consume(self, current: CountedKey, messages: int) -> bool:
        now, usage = self._clock(), current.usage
        consumed = usage.consume(messages, now)
        if consumed and usage.claim_renewal(now):
            self._background(partial(self._replace_ahead, usage))
        if consumed and usage.claim_check(now):
            self._background(partial(self._check_ahead, current))
        return consumed

    def _check_ahead(self, current: CountedKey) -> None:
        try:
            self._flights.do("check", partial(self._check_stored, current))
        except StrongroomError as error:
            log.warning("cannot check that data key %d is stored: %s", current.key.number, error)

    def _check_stored(self, current: CountedKey) -> CountedKey:
        """Check that *current* is in the store, unaltered, and drop it otherwise."""
        now = self._clock()  # read first, so that a slow check does not lengthen its validity
        try:
            is_stored = self._is_stored is None or self._is_stored(current.key)
        except StrongroomError as error:
            self._report(type(error).__name__)
            raise
        self._report("ok" if is_stored else "KeyLost")
        if is_stored:
            current.usage.note_stored(now)
        else:
            self._drop(current)
        return current

    def _drop(self, current: CountedKey) -> None:
        log.error(
            "the row of data key %d is lost or altered; the key encrypts nothing from now on, and "
            "its tokens can be decrypted only by processes that cached it; restore its row",
            current.key.number,
        )
        current.usage.close()
        if self.current is current:
            self.current = None

    def _replace_ahead(self, usage: UsageLimits) -> None:
        try:
            self._flights.do("write", partial(self._replace, usage))
        except StrongroomError as error:
            log.warning("cannot generate the next data key yet: %s", error)

    def _replace(self, old: UsageLimits | None) -> CountedKey:
        """Generate a key in place of the one with the usage *old*, unless another thread did."""
        current = self.current
        if current is not None and current.usage is not old:
            return current
        # The clock is read before the key is generated, so that a slow response does not lengthen
        # the key's life.
        usage = self._new_usage()
        new = self.current = CountedKey(self._generate(), usage)
        return new

    def _new_usage(self) -> UsageLimits:
        limits = self._limits
        return UsageLimits(
            messages=limits.data_key_messages,
            size=limits.data_key_bytes,
            now=self._clock(),
            age=limits.data_key_age,
            stored=self._is_stored is not None,
        )


def run_in_thread(work: Callable[[], object]) -> None:
    """Run *work* in a daemon thread; skip it while the interpreter shuts down."""
    try:
        threading.Thread(target=work, name="strongroom-data-key", daemon=True).start()
    except RuntimeError:
        log.debug("cannot start a thread; the current data key is used up to its limits")


def _check_limits(limits: Limits) -> None:
    if not 1 <= limits.data_key_messages <= HARD_STOP:
        raise ConfigurationError(
            f"data_key_messages is {limits.data_key_messages}; set it to 1 to 2**32 "
            "(NIST SP 800-38D)"
        )
    if limits.data_key_bytes < 1 or limits.data_key_age < 1 or limits.data_key_cache < 1:
        raise ConfigurationError(
            "data_key_bytes, data_key_age (seconds) or data_key_cache is below 1; set each to 1 or "
            "more"
        )
