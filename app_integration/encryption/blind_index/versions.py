"""The live versions of one index's key, held by a process and looked up again from time to time.

A process only reads them. They are made, rotated and retired by whoever is told to.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn, TypeAlias

from app_integration._internal import fork_safety
from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption.blind_index.stores import MAX_VERSION, IndexKey, IndexKeyStore
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.errors import ConfigurationError, IndexKeyLost, KeyUnavailable
from app_integration.names import Scope
from app_integration.settings import Limits

#: The numbers of versions, the oldest first.
Versions: TypeAlias = tuple[int, ...]

SIZE: Final = 32  # bytes of an index key
MAX_BITS: Final = 32  # of the hash; more would separate every value of a table of any size
MAX_LIVE: Final = 2  # versions at once: the one that is written, and one before or after it
#: Seconds until a look-up that failed is tried again, while what is held goes on.
_RETRY_INTERVAL: Final = 30.0


class VersionKey:
    """One version, ready for use.

    Attributes:
        version: the first byte of each value.
        writes_from: seconds since the epoch.

    """

    __slots__ = ("_inner", "_last", "_mask", "_outer", "_prefix", "version", "writes_from")

    def __init__(self, row: IndexKey, key: bytes, label: bytes) -> None:
        """Args: *label* is what every hash of the index begins with."""
        self.version = row.version
        self.writes_from = row.writes_from.timestamp()
        self._prefix = bytes((row.version,))
        self._last = (row.bits - 1) // 8
        self._mask = bytes((byte & 0xFF << -row.bits % 8 & 0xFF) for byte in range(256))
        # HMAC-SHA256 (RFC 2104) in its two halves, each copied for a value and never updated:
        # hmac.copy takes half as long again.
        self._inner = hashlib.sha256(_pad_key(key, 0x36) + label)
        self._outer = hashlib.sha256(_pad_key(key, 0x5C))

    def value(self, message: bytes) -> bytes:
        """The index value of *message*: the version, and the first bits of its keyed hash."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        digest = outer.digest()
        last = self._last
        return self._prefix + digest[:last] + digest[last : last + 1].translate(self._mask)


@dataclass(frozen=True, slots=True)
class _State:
    """What is held: the live versions, the oldest first, their rows, and when they were read."""

    live: tuple[VersionKey, ...]
    rows: tuple[IndexKey, ...]
    loaded_at: float  # seconds since the epoch


class _CurrentKey(NamedTuple):
    """The version to write, and until when that is sure, in seconds since the epoch."""

    key: VersionKey
    valid_until: float


def _version_numbers(rows: Sequence[IndexKey]) -> Versions:
    return tuple(row.version for row in rows)


def _pad_key(key: bytes, byte: int) -> bytes:
    return bytes(each ^ byte for each in key.ljust(hashlib.sha256().block_size, b"\0"))


class IndexVersions:
    """The key of one index. Thread-safe; a forked child goes on with what it holds.

    Args of the constructor:
        label: what every hash of the index begins with.
        bits: of the hash that the next version will keep.
        now: seconds since the epoch; versions begin at a moment that all machines agree on.
        random: gives that many unpredictable bytes.
    """

    def __init__(
        self,
        index: str,
        scope: Scope,
        *,
        service: KeyService,
        store: IndexKeyStore,
        label: bytes,
        bits: int,
        limits: Limits,
        now: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        self._index = index
        self._scope = scope
        self._service = service
        self._store = store
        self._label = label
        self._bits = bits
        self._limits = limits
        self._now = now
        self._random = random
        self._state: _State | None = None
        self._refresh_at = 0.0  # when what is held is looked up again
        self._current: _CurrentKey | None = None
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Fresh locks; the keys are as good in a forked child."""
        self._flights: SingleFlight[_State] = SingleFlight()

    def live(self) -> tuple[VersionKey, ...]:
        """Every live version, the oldest first.

        Raises:
            IndexKeyLost: there is none, or the rows aren't as they were written.
            KeyUnavailable: none is held, or for too long, and none can be had now.
            AccessDenied: this identity may not unwrap index keys.

        """
        state = self._state
        if state is not None and self._now() < self._refresh_at:
            return state.live
        return self._flights.do("look up", self._refresh).live

    def current(self) -> VersionKey:
        """The version to write: the newest whose time has come. Raises as :meth:`live`."""
        current, now = self._current, self._now()
        if current is not None and now < current.valid_until:
            return current.key
        live = self.live()
        key = next((key for key in reversed(live) if key.writes_from <= now), live[0])
        changes = [other.writes_from for other in live if other.writes_from > now]
        self._current = _CurrentKey(
            key, min(self._refresh_at, *changes) if changes else self._refresh_at
        )
        return key

    def create(self) -> bool:
        """As :meth:`BlindIndex.create`."""
        created = not self._read_rows() and self._store.replace(
            [], [self._create_row(1, self._now(), (1,))]
        )
        self._load()
        return created

    def bind(self) -> None:
        """As :meth:`BlindIndex.bind`."""
        rows = self._read_rows()
        keys = [self._unwrap_row(row, self._unbound(row.version)) for row in rows]
        self._replace_rows(rows, self._wrap_rows(rows, keys, _version_numbers(rows)))

    def rotate(self) -> int:
        """As :meth:`BlindIndex.rotate`."""
        rows = self._load().rows
        if len(rows) >= MAX_LIVE:
            versions = ", ".join(str(row.version) for row in rows)
            raise ConfigurationError(
                f"index {self._index} has the live versions {versions}; write the rows of the "
                "oldest again and retire it first"
            )
        # Every process has looked up again by then, whichever moment its own was.
        starts = self._now() + 2 * self._limits.index_refresh
        number = rows[-1].version + 1
        live = (*_version_numbers(rows), number)
        kept = self._wrap_rows(rows, self._unwrap_rows(rows), live)
        self._replace_rows(rows, [*kept, self._create_row(number, starts, live)])
        return number

    def retire(self, version: int) -> None:
        """As :meth:`BlindIndex.retire`."""
        rows = self._load().rows
        if version not in _version_numbers(rows) or version == self.current().version:
            raise ConfigurationError(
                f"version {version} of index {self._index} can't be retired: it is written, or "
                f"not live; live are {', '.join(map(str, _version_numbers(rows)))}"
            )
        kept = [row for row in rows if row.version != version]
        keys = self._unwrap_rows(rows)
        left = [key for row, key in zip(rows, keys, strict=True) if row.version != version]
        self._replace_rows(rows, self._wrap_rows(kept, left, _version_numbers(kept)))

    def _refresh(self) -> _State:
        """What is held, looked up again; what was held goes on while that fails, up to its age."""
        cached, now = self._state, self._now()
        if cached is not None and now < self._refresh_at:
            return cached
        try:
            return self._load()
        except KeyUnavailable:
            if cached is None or now >= cached.loaded_at + self._limits.data_key_age:
                raise
            self._refresh_at = now + _RETRY_INTERVAL
            return cached

    def _load(self) -> _State:
        rows, cached = tuple(self._read_rows()), self._state
        if not rows:
            raise IndexKeyLost(
                f"{self._store.place} holds no key of index {self._index}: make it once, where the "
                "table is made, with create(); or restore its rows"
            )
        if cached is not None and rows == cached.rows:
            live = cached.live
        else:
            keys = self._unwrap_rows(rows)
            live = tuple(VersionKey(*each, self._label) for each in zip(rows, keys, strict=True))
        self._state = state = _State(live, rows, self._now())
        self._refresh_at, self._current = state.loaded_at + self._limits.index_refresh, None
        return state

    def _read_rows(self) -> list[IndexKey]:
        return self._store.versions(self._owner, self._index)

    def _replace_rows(self, before: Sequence[IndexKey], after: Sequence[IndexKey]) -> None:
        if not self._store.replace(before, after):
            raise KeyUnavailable(f"the key of index {self._index} was changed meanwhile; try again")
        self._load()

    def _create_row(self, version: int, writes_from: float, live: Versions) -> IndexKey:
        if version > MAX_VERSION:
            raise ConfigurationError(f"index {self._index} has used up its {MAX_VERSION} versions")
        # Whole seconds: databases keep a moment more or less exactly.
        moment = datetime.fromtimestamp(math.ceil(writes_from), UTC)
        row = IndexKey(self._owner, self._index, version, self._bits, b"", moment)
        return self._wrap_row(row, self._random(SIZE), live)

    def _wrap_rows(
        self, rows: Sequence[IndexKey], keys: Sequence[bytes], live: Versions
    ) -> list[IndexKey]:
        return [self._wrap_row(*each, live) for each in zip(rows, keys, strict=True)]

    def _wrap_row(self, row: IndexKey, key: bytes, live: Versions) -> IndexKey:
        (wrapped,) = self._service.wrap([key], contexts.encode(self._bound(row, live)))
        return replace(row, wrapped=wrapped)

    def _unwrap_rows(self, rows: Sequence[IndexKey]) -> list[bytes]:
        """The keys of *rows*, which are all rows of the index."""
        live = _version_numbers(rows)
        return [self._unwrap_row(row, self._bound(row, live)) for row in rows]

    def _unwrap_row(self, row: IndexKey, bound: Mapping[str, str | int]) -> bytes:
        (key,) = self._service.unwrap([row.wrapped], contexts.encode(bound))
        if key is None or len(key) != SIZE or not 0 < row.bits <= MAX_BITS:
            raise IndexKeyLost(
                f"{self._store.place}: the row of version {row.version} of index {self._index} was "
                "altered, or a row beside it is gone or was put back; restore all its rows"
            )
        return key

    def _unbound(self, version: int) -> dict[str, str | int]:
        """What says which key it is: all that rows were bound to at first."""
        return {
            "use": "index key",
            "service": self._scope.service,
            "environment": self._scope.environment.value,
            "index": self._index,
            "version": version,
        }

    def _bound(self, row: IndexKey, live: Versions) -> dict[str, str | int]:
        """What a key is bound to when it is wrapped: all that its row says, and what is beside it.

        *live* are the versions of all rows: one that is gone, or that was retired and is put back,
        makes all the others unreadable.
        """
        return {
            **self._unbound(row.version),
            "bits": row.bits,
            "writes_from": int(row.writes_from.timestamp()),
            "live": ",".join(map(str, live)),
        }

    @property
    def _owner(self) -> str:
        return f"{self._scope.service}/{self._scope.environment}"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("index keys can't be pickled or copied; declare the index in each process")
