"""Data keys of one scope in one process: those it encrypts with, and a cache to decrypt with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple, NoReturn, TypeAlias

from app_integration._internal import fork_safety
from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption import branch_ciphertext
from app_integration.encryption.keys.active_key import (
    ActiveDataKey,
    Background,
    Report,
    report_nothing,
)
from app_integration.encryption.keys.branch_keys import BranchKeys, Unwrapped
from app_integration.encryption.keys.cache import CachedKey, DataKeyCache
from app_integration.encryption.keys.data_key import (
    SIZE,
    TEXT_PURPOSES,
    TEXT_VERSION,
    DataKey,
    keyring_purpose,
)
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.keys.stores import MAX_NUMBER, DataKeyStore, WrappedKey
from app_integration.encryption.keys.wrapped_data_key import (
    WrappedDataKey,
    WrapScope,
    to_row,
    wrap,
)
from app_integration.errors import (
    AccessDenied,
    ConfigurationError,
    KeyUnavailable,
    raise_decryption_failed,
)
from app_integration.settings import Limits

log = logging.getLogger(__name__)

#: Random numbers tried for one key. Even with a billion keys in the store, 20 collisions in a row
#: are unlikely.
_ATTEMPTS: Final = 20


class SelfContained(NamedTuple):
    """Name of a data key in a self-contained token, which contains the wrapped key itself."""

    version: int
    wrapped: bytes
    commitment: bytes


#: The name of a data key in tokens: its number in the store, or the wrapped key itself.
KeyName: TypeAlias = int | SelfContained


class Keyring:
    """Data keys of one scope, generated, unwrapped and cached within limits. Thread-safe.

    Each process generates its own keys to encrypt with, and a fork begins empty. While the key
    service is unavailable, cached keys are used up to their limits.
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
        report: Report = report_nothing,
        branch_scope: WrapScope | None = None,
    ) -> None:
        """Create a keyring without keys. No request is sent yet.

        Without *branch_scope*, or without a store, there are no branch keys.
        """
        self.service = service
        self.scope = scope
        self.branches: BranchKeys | None = None
        if store is not None and branch_scope is not None:
            self.branches = BranchKeys(
                service, branch_scope, store, limits=limits, clock=clock, random=random
            )
        self._store = store
        self._clock = clock
        self._random = random
        self.self_contained_keys = ActiveDataKey(
            self._generate_self_contained, limits, clock, background
        )
        self.keyring_keys = ActiveDataKey(
            self._generate_keyring, limits, clock, background, self._is_stored, report
        )
        self._read = DataKeyCache(limits.data_key_cache, limits.data_key_age)
        self.constants, self.put_constants = self._read.constants, self._read.put_constants
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Drop every key and recreate the locks; the next call generates or unwraps a key."""
        self.self_contained_keys.reset_after_fork()
        self.keyring_keys.reset_after_fork()
        self._read.reset_after_fork()
        if self.branches is not None:
            self.branches.reset_after_fork()
        self._flights: SingleFlight[CachedKey] = SingleFlight()

    @property
    def store(self) -> DataKeyStore:
        """Return the store of wrapped data keys."""
        if self._store is None:
            raise ConfigurationError(
                "a keyring token needs the table or file of data keys; call use_data_keys, or set "
                "STRONGROOM_DATA_KEYS"
            )
        return self._store

    @property
    def scopes(self) -> tuple[WrapScope, ...]:
        """Return the scopes of the rows in the store: of data keys, and of branch keys."""
        return (self.scope,) if self.branches is None else (self.branches.scope, self.scope)

    def list_rows(self) -> list[WrappedKey]:
        """Return the rows of data keys and branch keys in the store."""
        return [row for scope in self.scopes for row in self.store.list_by_scope(scope.text)]

    def read_key(self, name: KeyName) -> CachedKey:
        """Return the key that tokens call *name*, which was verified against its commitment."""
        cached = self._read.get(name, self._clock())
        return cached or self._flights.do(name, partial(self._fetch_one, name))

    def read_keys(self, names: Iterable[KeyName]) -> dict[KeyName, DataKey]:
        """Return the keys of many tokens, unwrapped in few requests; invalid ones are left out."""
        now = self._clock()
        cached = {name: self._read.get(name, now) for name in set(names)}
        found = {name: each.key for name, each in cached.items() if each is not None}
        missing = [name for name in cached if name not in found]
        if missing:
            found.update((name, each.key) for name, each in self._fetch(missing).items())
        return found

    def is_cached(self, name: KeyName) -> bool:
        """Return whether the key *name* can be read without a request."""
        return self._read.get(name, self._clock()) is not None

    def _fetch_one(self, name: KeyName) -> CachedKey:
        """Unwrap the key *name*, unless another caller has just cached it."""
        cached = self._read.get(name, self._clock()) or self._fetch([name]).get(name)
        return cached or raise_decryption_failed()

    def _fetch(self, names: Collection[KeyName]) -> dict[KeyName, CachedKey]:
        wanted = self._find_wrapped(names)
        unwrapped = self.unwrap([each.wrapped for _, each in wanted])
        fetched = {}
        for (name, each), (key, valid_until) in zip(wanted, unwrapped, strict=True):
            data_key = each.verify(key)
            if data_key is not None:
                fetched[name] = self._read.put(name, data_key, self._clock(), valid_until)
        return fetched

    def unwrap(self, wrapped: Sequence[bytes]) -> list[Unwrapped]:
        """Unwrap each data key of this scope, whichever key wrapped it."""
        under_branch = [branch_ciphertext.is_marked(each) for each in wrapped]
        direct = [each for each, marked in zip(wrapped, under_branch, strict=True) if not marked]
        keys = iter(self.service.unwrap(direct, self.scope.bound) if direct else ())
        return [
            self._unwrap_under_branch(each) if marked else Unwrapped(next(keys))
            for each, marked in zip(wrapped, under_branch, strict=True)
        ]

    def _unwrap_under_branch(self, wrapped: bytes) -> Unwrapped:
        return Unwrapped(None) if self.branches is None else self.branches.unwrap(wrapped)

    def _find_wrapped(self, names: Collection[KeyName]) -> list[tuple[KeyName, WrappedDataKey]]:
        from_tokens: list[tuple[KeyName, WrappedDataKey]] = [
            (name, WrappedDataKey(name.wrapped, name.commitment, TEXT_PURPOSES[name.version]))
            for name in names
            if isinstance(name, SelfContained)
        ]
        numbers = [name for name in names if isinstance(name, int)]
        rows = self.store.get(numbers) if numbers else []
        return from_tokens + [
            (row.number, _wrapped_key(row)) for row in rows if self.scope.has(row)
        ]

    def _generate_self_contained(self) -> DataKey:
        key = self._random(SIZE)
        (wrapped,) = self.wrap_directly([key])
        data_key = DataKey(key, wrapped, TEXT_PURPOSES[TEXT_VERSION])
        name = SelfContained(TEXT_VERSION, data_key.wrapped, data_key.commitment)
        self._read.put(name, data_key, self._clock())
        return data_key

    def _generate_keyring(self) -> DataKey:
        """Return a new key whose row is in the store before anything is encrypted under it."""
        store, key = self.store, self._random(SIZE)
        (wrapped,) = self.wrap([key])
        for _ in range(_ATTEMPTS):
            number = int.from_bytes(self._random(4), "big")
            data_key = DataKey(key, wrapped, keyring_purpose(number), number)
            if 0 < number <= MAX_NUMBER and store.add(self._to_row(data_key)):
                self._read.put(number, data_key, self._clock())
                return data_key
        raise KeyUnavailable(
            f"no free number for a data key in {_ATTEMPTS} attempts; check the store of data keys"
        )

    def _is_stored(self, key: DataKey) -> bool:
        """Return whether the row of *key* is in the store, unaltered except for a rewrap."""
        rows = self.store.get([key.number])
        if not rows or rows[0].scope != self.scope.text or not key.commits_to(rows[0].commitment):
            return False
        wrapped = rows[0].wrapped
        if wrapped != key.wrapped:
            (unwrapped,) = self.unwrap([wrapped])
            if _wrapped_key(rows[0]).verify(unwrapped.key) is None:
                return False
            key.wrapped = wrapped
        return True

    def _to_row(self, key: DataKey) -> WrappedKey:
        return to_row(key, self.scope, self.service.version(key.wrapped))

    def wrap(self, keys: Sequence[bytes]) -> list[bytes]:
        """Wrap data keys for the store: under a branch key, or else by the key service."""
        if self.branches is not None and self.branches.wraps:
            try:
                return self.branches.wrap(keys)
            except AccessDenied as denied:
                # An identity that may only encrypt must not get a key that decrypts.
                log.warning(
                    "a data key is wrapped without a branch key (%s); if this identity may only "
                    "encrypt, set STRONGROOM_LIMIT_BRANCH_KEY_AGE=0",
                    denied,
                )
        return self.wrap_directly(keys)

    def wrap_directly(self, keys: Sequence[bytes]) -> list[bytes]:
        """Wrap data keys by the key service."""
        return wrap(self.service, keys, self.scope)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a keyring cannot be pickled or copied; create one in each process")


def _wrapped_key(row: WrappedKey) -> WrappedDataKey:
    """Return the key that *row* of the store contains."""
    return WrappedDataKey(row.wrapped, row.commitment, keyring_purpose(row.number), row.number)
