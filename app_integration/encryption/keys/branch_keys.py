"""Branch keys: one key of a scope and a period wraps the data keys of all processes.

The key service wraps a branch key, whose row lies beside those of the data keys. A process asks the
service for a branch key and wraps and unwraps data keys with it, so the number of requests does not
grow with that of data keys. Each process still has data keys of its own, whose messages it counts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag

from app_integration._internal.limit_variables import BRANCH_KEY_AGE
from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption import branch_ciphertext
from app_integration.encryption.branch_ciphertext import BranchCiphertext
from app_integration.encryption.keys.cache import CachedKey, DataKeyCache
from app_integration.encryption.keys.data_key import SIZE, DataKey
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.keys.stores import MAX_NUMBER, DataKeyStore, WrappedKey
from app_integration.encryption.keys.wrapped_data_key import (
    WrappedDataKey,
    WrapScope,
    to_row,
    wrap,
)
from app_integration.errors import KeyUnavailable
from app_integration.settings import Limits

_CACHED: Final = 256  # branch keys
#: Numbers that the branch key of a period may have. A data key has one of them by chance, and then
#: the next one is taken.
_CANDIDATES: Final = 4
_PURPOSE: Final = b"strongroom branch key v1"


class Unwrapped(NamedTuple):
    """A data key, None for an invalid one, and the time until which it may be cached."""

    key: bytes | None
    valid_until: float = math.inf


class BranchKeys:
    """Branch keys of one scope. Thread-safe.

    A data key is not cached for longer than the branch key that unwrapped it, so that an identity
    that may no longer decrypt has lost both when the branch key expires.
    """

    def __init__(
        self,
        service: KeyService,
        scope: WrapScope,
        store: DataKeyStore,
        *,
        limits: Limits,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Create the keys of *scope*, that of branch keys. No request is sent yet."""
        self._service = service
        self.scope = scope
        self._store = store
        self._age = limits.branch_key_age or BRANCH_KEY_AGE
        self.wraps = limits.branch_key_age > 0
        self._clock = clock
        self._random = random
        self._now = now
        self._cache = DataKeyCache(_CACHED, limits.data_key_age)
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop every key and recreate the locks."""
        self._cache.reset_after_fork()
        self._flights: SingleFlight[CachedKey | None] = SingleFlight()
        self._current: SingleFlight[DataKey] = SingleFlight()

    def wrap(self, data_keys: Sequence[bytes]) -> list[bytes]:
        """Wrap each data key under the branch key of the period.

        The key service unwraps that at each call, so that an identity that may no longer decrypt
        gets no new data key.
        """
        branch = self._current.do("", self._read_current)
        header = branch_ciphertext.header(branch.number)
        nonces = [self._random(branch_ciphertext.NONCE) for _ in data_keys]
        return [
            header + nonce + branch.encrypt(nonce, key, header + self.scope.bound)
            for nonce, key in zip(nonces, data_keys, strict=True)
        ]

    def unwrap(self, wrapped: bytes) -> Unwrapped:
        """Return the data key in *wrapped*."""
        found = branch_ciphertext.parse(wrapped)
        if found is None:
            return Unwrapped(None)
        cached = self._cache.get(found.branch, self._clock())
        key = self._decrypt(cached, found)
        if key is None:  # the branch key is not cached, or its number has another key by now
            cached = self._flights.do(found.branch, partial(self._load, found.branch))
            key = self._decrypt(cached, found)
        return Unwrapped(key) if cached is None else Unwrapped(key, cached.expires_at)

    def _decrypt(self, cached: CachedKey | None, found: BranchCiphertext) -> bytes | None:
        if cached is None:
            return None
        try:
            return cached.key.decrypt(found.nonce, found.sealed, found.header + self.scope.bound)
        except InvalidTag:
            return None

    def _load(self, number: int) -> CachedKey | None:
        """Return the branch key *number*, unwrapped and cached now; None for an invalid one."""
        for row in self._store.get([number]):
            branch = self._open(row)
            if branch is not None:
                return self._cache.put(number, branch, self._clock())
        return None

    def _open(self, row: WrappedKey) -> DataKey | None:
        if not self.scope.has(row):
            return None
        (key,) = self._service.unwrap([row.wrapped], self.scope.bound)
        return WrappedDataKey(row.wrapped, row.commitment, _purpose(row.number), row.number).verify(
            key
        )

    def _read_current(self) -> DataKey:
        """Return the branch key of the period, and generate it if this process is the first."""
        numbers = self._find_numbers()
        rows = {row.number: row for row in self._store.get(numbers)}
        for number in numbers:
            row = rows.get(number) or self._add(number)
            if row.scope == self.scope.text:
                branch = self._open(row)
                if branch is None:
                    raise KeyUnavailable(
                        f"the row {number} of a branch key is altered, or was not wrapped here; "
                        "restore it from a backup"
                    )
                self._cache.put(number, branch, self._clock())
                return branch
        raise KeyUnavailable("no free number for a branch key; check the store of data keys")

    def _find_numbers(self) -> list[int]:
        """Return the numbers of the period's branch key, equal in all processes."""
        period = int(self._now().timestamp() // self._age)
        start = f"{self.scope.text} {float(self._age)!r} {period}"
        digest = hashlib.sha256(start.encode()).digest()
        numbers = (
            int.from_bytes(digest[at : at + 4], "big") for at in range(0, 4 * _CANDIDATES, 4)
        )
        return [number for number in numbers if 0 < number <= MAX_NUMBER]

    def _add(self, number: int) -> WrappedKey:
        """Store a new branch key, and return the row with *number*: another one was faster if so.

        It is unwrapped before it is stored, because an identity that may only encrypt must not
        generate a key that decrypts what others encrypt.
        """
        key = self._random(SIZE)
        (wrapped,) = wrap(self._service, [key], self.scope)
        branch = DataKey(key, wrapped, _purpose(number), number)
        row = to_row(branch, self.scope, self._service.version(wrapped))
        self._open(row)
        if self._store.add(row):
            return row
        (row,) = self._store.get([number])
        return row


def _purpose(number: int) -> bytes:
    return _PURPOSE + number.to_bytes(4, "big")
