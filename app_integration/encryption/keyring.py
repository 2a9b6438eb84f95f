"""The data keys one process holds for one scope: one to write with, a few to read with."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

from app_integration import forks
from app_integration.encryption.data_key import SIZE, Budget, DataKey
from app_integration.encryption.envelope import MAX_WRAPPED
from app_integration.encryption.key_services import KeyService
from app_integration.encryption.refusal import refuse
from app_integration.errors import ConfigurationError, KeyUnavailable
from app_integration.settings import Limits
from app_integration.single_flight import SingleFlight

#: Messages under one key with random 96-bit nonces: the limit of NIST SP 800-38D, 8.3.
HARD_STOP: Final = 2**32


class Keyring:
    """Data keys of one scope, minted, unwrapped and kept within bounds. Thread-safe.

    Each process mints its own write key, so that its count of messages is exact; a fork begins
    empty. While the key service is away, keys already held go on to their bounds.
    """

    def __init__(
        self,
        service: KeyService,
        scope: bytes,
        *,
        limits: Limits,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        """Args: *clock* in seconds, monotonic; *random* gives that many unpredictable bytes.

        Raises:
            ConfigurationError: *limits* that no key can keep.
        """
        _check(limits)
        self._service = service
        self._scope = scope
        self._limits = limits
        self._clock = clock
        self._random = random
        self.forget()
        forks.forget_in_child(self)

    def forget(self) -> None:
        """Drop every key, and the locks with them; the next call mints or unwraps anew."""
        self._write: _WriteKey | None = None
        self._read = _ReadKeys(self._limits.data_key_cache, self._limits.data_key_age)
        self._flights: SingleFlight[DataKey] = SingleFlight()

    def write_key(self, size: int) -> DataKey:
        """A key that may encrypt *size* bytes more; they are counted.

        Raises:
            KeyUnavailable: the last key reached a bound and no new one can be had.
            ConfigurationError: no key may ever encrypt that many.
        """
        while True:
            current = self._write
            if current is not None and current.budget.spend(size, self._clock()):
                return current.key
            if size > self._limits.data_key_bytes:
                raise ConfigurationError(
                    f"a value of {size} bytes is above data_key_bytes: raise it, or store a file"
                )
            self._flights.do("write", partial(self._mint, current))

    def read_key(self, wrapped: bytes, commitment: bytes) -> DataKey:
        """The key that *wrapped* holds, checked against *commitment* when it was unwrapped.

        Raises:
            DecryptionFailed: no key of this scope, or another than it is said to be.
            KeyUnavailable: it isn't held here and can't be unwrapped now.
        """
        identity = wrapped + commitment
        key = self._read.get(identity, self._clock())
        if key is not None:
            return key
        return self._flights.do(identity, partial(self._unwrap, wrapped, commitment))

    def _mint(self, spent: _WriteKey | None) -> DataKey:
        current = self._write
        if current is not None and current is not spent:
            return current.key
        key = self._random(SIZE)
        (wrapped,) = self._service.wrap([key], self._scope)
        if not 0 < len(wrapped) <= MAX_WRAPPED:
            raise KeyUnavailable(f"the key service gave a wrapped key of {len(wrapped)} bytes")
        minted = _WriteKey(DataKey(key, wrapped), self._budget())
        self._write = minted
        self._remember(minted.key)
        return minted.key

    def _budget(self) -> Budget:
        limits = self._limits
        return Budget(
            messages=limits.data_key_messages,
            size=limits.data_key_bytes,
            expires=self._clock() + limits.data_key_age,
        )

    def _unwrap(self, wrapped: bytes, commitment: bytes) -> DataKey:
        held = self._read.get(wrapped + commitment, self._clock())
        if held is not None:
            return held
        key = DataKey(self._unwrapped(wrapped), wrapped)
        if not key.commits_to(commitment):
            refuse()
        self._remember(key)
        return key

    def _unwrapped(self, wrapped: bytes) -> bytes:
        """The data key itself, in a frame of its own: tracebacks may print a frame's locals."""
        (key,) = self._service.unwrap([wrapped], self._scope)
        if len(key) != SIZE:
            refuse()
        return key

    def _remember(self, key: DataKey) -> None:
        self._read.put(key.wrapped + key.commitment, key, self._clock())

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a keyring can't be pickled or copied; make one in each process")


class _WriteKey:
    """A data key with what it may still encrypt."""

    __slots__ = ("budget", "key")

    def __init__(self, key: DataKey, budget: Budget) -> None:
        self.key = key
        self.budget = budget


class _ReadKeys:
    """Unwrapped keys by (wrapped key, commitment): the last used, none older than a maximum."""

    def __init__(self, entries: int, age: float) -> None:
        """Args: *age* in seconds."""
        self._entries = entries
        self._age = age
        self._keys: OrderedDict[bytes, tuple[DataKey, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, identity: bytes, now: float) -> DataKey | None:
        with self._lock:
            entry = self._keys.get(identity)
            if entry is None:
                return None
            key, expires = entry
            if now >= expires:
                del self._keys[identity]
                return None
            self._keys.move_to_end(identity)
            return key

    def put(self, identity: bytes, key: DataKey, now: float) -> None:
        with self._lock:
            self._keys[identity] = (key, now + self._age)
            self._keys.move_to_end(identity)
            if len(self._keys) > self._entries:
                self._keys.popitem(last=False)


def _check(limits: Limits) -> None:
    if not 1 <= limits.data_key_messages <= HARD_STOP:
        raise ConfigurationError(
            f"data_key_messages is {limits.data_key_messages}; use 1 to 2**32 (NIST SP 800-38D)"
        )
    if limits.data_key_bytes < 1 or limits.data_key_age < 1 or limits.data_key_cache < 1:
        raise ConfigurationError(
            "data_key_bytes, data_key_age (seconds) and data_key_cache are 1 or more"
        )
