"""The data keys one process holds for one scope: those it writes with, and a few to read with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, NoReturn, TypeAlias

from app_integration._internal import fork_safety
from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption.keys.active_key import (
    ActiveDataKey,
    Background,
    Report,
    silent,
)
from app_integration.encryption.keys.cache import CachedKey, DataKeyCache
from app_integration.encryption.keys.data_key import (
    MAX_WRAPPED,
    SIZE,
    TEXT_PURPOSES,
    TEXT_VERSION,
    DataKey,
    keyring_purpose,
)
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.keys.stores import MAX_NUMBER, DataKeyStore, WrappedKey
from app_integration.errors import ConfigurationError, KeyUnavailable, raise_decryption_failed
from app_integration.settings import Limits

_ATTEMPTS: Final = (
    20  # numbers tried for one key; a billion keys in the store make 20 hits unlikely
)


class SelfContained(NamedTuple):
    """How a self-contained token names its data key: by carrying it, wrapped."""

    version: int
    wrapped: bytes
    commitment: bytes


#: What a token calls its data key: a number of the store, or the wrapped key itself.
KeyName: TypeAlias = int | SelfContained


@dataclass(frozen=True, slots=True)
class WrapScope:
    """Whose data keys these are.

    Attributes:
        bound: what the key service binds a wrapped key to.
        text: the same for the eye, in the store's rows.

    """

    bound: bytes
    text: str


class Keyring:
    """Data keys of one scope, minted, unwrapped and kept within bounds. Thread-safe.

    Each process mints its own write keys; a fork begins empty. While the key service is away, keys
    already held go on to their bounds.

    Attributes:
        carried: writes self-contained tokens.
        numbered: writes keyring tokens; needs a store.

    """

    def __init__(
        self,
        service: KeyService,
        scope: WrapScope,
        store: DataKeyStore | None,
        *,
        limits: Limits,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        background: Background,
        report: Report = silent,
    ) -> None:
        """Args: *clock* in seconds, monotonic; *random* gives that many unpredictable bytes.

        *report* is told how each look for the key that is written with went.

        Raises:
            ConfigurationError: *limits* that no key can keep.

        """
        self.service = service
        self.scope = scope
        self._store = store
        self._clock = clock
        self._random = random
        self.carried = ActiveDataKey(self._mint_carried, limits, clock, background)
        self.numbered = ActiveDataKey(
            self._mint_numbered, limits, clock, background, self._is_stored, report
        )
        self._read = DataKeyCache(limits.data_key_cache, limits.data_key_age)
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Drop every key, and the locks with them; the next call mints or unwraps anew."""
        self.carried.reset_after_fork()
        self.numbered.reset_after_fork()
        self._read.reset_after_fork()
        self._flights: SingleFlight[CachedKey] = SingleFlight()

    @property
    def store(self) -> DataKeyStore:
        """Where wrapped data keys are kept; ConfigurationError when they aren't."""
        if self._store is None:
            raise ConfigurationError(
                "a keyring token needs the table or file of data keys: call use_data_keys, or set "
                "STRONGROOM_DATA_KEYS"
            )
        return self._store

    def read_key(self, name: KeyName) -> CachedKey:
        """The key that tokens call *name*, checked against its commitment when it was unwrapped.

        Raises:
            DecryptionFailed: no key of this scope, or another than it is said to be.
            KeyUnavailable: it isn't held here and can't be unwrapped now.

        """
        held = self._read.get(name, self._clock())
        return held or self._flights.do(name, partial(self._fetch_one, name))

    def read_keys(self, names: Iterable[KeyName]) -> dict[KeyName, DataKey]:
        """The keys of many tokens, with few requests; bad ones are left out. Raises as one does."""
        now = self._clock()
        held = {name: self._read.get(name, now) for name in set(names)}
        found = {name: each.key for name, each in held.items() if each is not None}
        missing = [name for name in held if name not in found]
        if missing:
            found.update((name, each.key) for name, each in self._fetch(missing).items())
        return found

    def holds(self, name: KeyName) -> bool:
        """Whether *name* can be read without a request."""
        return self._read.get(name, self._clock()) is not None

    def _fetch_one(self, name: KeyName) -> CachedKey:
        """A caller may arrive just after the key was fetched, so that is looked at first."""
        held = self._read.get(name, self._clock()) or self._fetch([name]).get(name)
        return held or raise_decryption_failed()

    def _fetch(self, names: Collection[KeyName]) -> dict[KeyName, CachedKey]:
        wanted = self._wrapped(names)
        keys = self.service.unwrap([each.wrapped for _, each in wanted], self.scope.bound)
        fetched = {}
        for (name, each), key in zip(wanted, keys, strict=True):
            data_key = self._checked(key, each)
            if data_key is not None:
                fetched[name] = self._read.put(name, data_key, self._clock())
        return fetched

    def _wrapped(self, names: Collection[KeyName]) -> list[tuple[KeyName, _Sealed]]:
        carried: list[tuple[KeyName, _Sealed]] = [
            (name, _Sealed(name.wrapped, name.commitment, TEXT_PURPOSES[name.version], 0))
            for name in names
            if isinstance(name, SelfContained)
        ]
        numbers = [name for name in names if isinstance(name, int)]
        rows = self.store.get(numbers) if numbers else []
        return carried + [
            (
                row.number,
                _Sealed(row.wrapped, row.commitment, keyring_purpose(row.number), row.number),
            )
            for row in rows
            if row.scope == self.scope.text and 0 < len(row.wrapped) <= MAX_WRAPPED
        ]

    def _checked(self, key: bytes | None, sealed: _Sealed) -> DataKey | None:
        """The data key; None unless it is the one that *sealed* commits to."""
        if key is None or len(key) != SIZE:
            return None
        data_key = DataKey(key, sealed.wrapped, sealed.purpose, sealed.number)
        return data_key if data_key.commits_to(sealed.commitment) else None

    def _mint_carried(self) -> DataKey:
        key = self._random(SIZE)
        data_key = DataKey(key, self._wrap(key), TEXT_PURPOSES[TEXT_VERSION])
        name = SelfContained(TEXT_VERSION, data_key.wrapped, data_key.commitment)
        self._read.put(name, data_key, self._clock())
        return data_key

    def _mint_numbered(self) -> DataKey:
        """A key whose row is in the store before anything is encrypted under it."""
        store, key = self.store, self._random(SIZE)
        wrapped = self._wrap(key)
        for _ in range(_ATTEMPTS):
            number = int.from_bytes(self._random(4), "big")
            data_key = DataKey(key, wrapped, keyring_purpose(number), number)
            if 0 < number <= MAX_NUMBER and store.add(self._row(data_key)):
                self._read.put(number, data_key, self._clock())
                return data_key
        raise KeyUnavailable(f"no free number for a data key in {_ATTEMPTS} attempts")

    def _is_stored(self, key: DataKey) -> bool:
        """Whether the row of *key* is there as it was written, or wrapped anew since."""
        rows = self.store.get([key.number])
        if not rows or rows[0].scope != self.scope.text or not key.commits_to(rows[0].commitment):
            return False
        wrapped = rows[0].wrapped
        if wrapped != key.wrapped:
            (unwrapped,) = self.service.unwrap([wrapped], self.scope.bound)
            sealed = _Sealed(wrapped, key.commitment, keyring_purpose(key.number), key.number)
            if self._checked(unwrapped, sealed) is None:
                return False
            key.wrapped = wrapped
        return True

    def _row(self, key: DataKey) -> WrappedKey:
        return WrappedKey(
            number=key.number,
            scope=self.scope.text,
            wrapped=key.wrapped,
            commitment=key.commitment,
            created=datetime.now(UTC),
            version=self.service.version(key.wrapped),
        )

    def _wrap(self, key: bytes) -> bytes:
        (wrapped,) = self.service.wrap([key], self.scope.bound)
        if not 0 < len(wrapped) <= MAX_WRAPPED:
            raise KeyUnavailable(f"the key service gave a wrapped key of {len(wrapped)} bytes")
        return wrapped

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a keyring can't be pickled or copied; make one in each process")


class _Sealed(NamedTuple):
    """A wrapped key with all that its unwrapping is checked against."""

    wrapped: bytes
    commitment: bytes
    purpose: bytes
    number: int
