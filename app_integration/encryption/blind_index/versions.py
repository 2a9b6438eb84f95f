"""The live versions of one index's key, held by a process and looked up again from time to time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn

from app_integration._internal import fork_safety
from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption.blind_index.stores import MAX_VERSION, IndexKey, IndexKeyStore
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.errors import ConfigurationError, KeyUnavailable, raise_decryption_failed
from app_integration.names import Scope
from app_integration.settings import Limits

SIZE: Final = 32  # bytes of an index key
LIVE: Final = 2  # versions at once: the one that is written, and one before or after it
#: Seconds until a look-up that failed is tried again, while what is held goes on.
_PAUSE: Final = 30.0


class Keyed:
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
        self._inner = hashlib.sha256(_pad(key, 0x36) + label)
        self._outer = hashlib.sha256(_pad(key, 0x5C))

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
    """What is held: the live versions, the oldest first, and when they were looked up."""

    live: tuple[Keyed, ...]
    looked_up: float  # seconds since the epoch


class _Hot(NamedTuple):
    """The version to write, and until when that is sure, in seconds since the epoch."""

    key: Keyed
    until: float


def _pad(key: bytes, byte: int) -> bytes:
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
        self._until = 0.0  # when what is held is looked up again
        self._hot: _Hot | None = None
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Fresh locks; the keys are as good in a forked child."""
        self._flights: SingleFlight[_State] = SingleFlight()

    def live(self) -> tuple[Keyed, ...]:
        """Every live version, the oldest first; made when there is none yet.

        Raises:
            KeyUnavailable: none is held, or for too long, and none can be had now.
            AccessDenied: this identity may not wrap or unwrap index keys.
        """
        state = self._state
        if state is not None and self._now() < self._until:
            return state.live
        return self._flights.do("look up", self._refreshed).live

    def current(self) -> Keyed:
        """The version to write: the newest whose time has come. Raises as :meth:`live`."""
        hot, now = self._hot, self._now()
        if hot is not None and now < hot.until:
            return hot.key
        live = self.live()
        key = next((key for key in reversed(live) if key.writes_from <= now), live[0])
        changes = [other.writes_from for other in live if other.writes_from > now]
        self._hot = _Hot(key, min(self._until, *changes) if changes else self._until)
        return key

    def rotate(self) -> int:
        """As :meth:`BlindIndex.rotate`."""
        known = self._look_up().live
        if len(known) >= LIVE:
            versions = ", ".join(str(key.version) for key in known)
            raise ConfigurationError(
                f"index {self._index} has the live versions {versions}; write the rows of the "
                "oldest again and retire it first"
            )
        # Every process has looked up again by then, whichever moment its own was.
        starts = self._now() + 2 * self._limits.index_refresh
        number = known[-1].version + 1
        self._make(number, starts)
        self._look_up()
        return number

    def retire(self, version: int) -> None:
        """As :meth:`BlindIndex.retire`."""
        rows = {row.version: row for row in self._rows()}
        if version not in rows or version == self.current().version:
            raise ConfigurationError(
                f"version {version} of index {self._index} can't be retired: it is written, or "
                f"not live; live are {', '.join(map(str, rows))}"
            )
        self._store.remove(rows[version])
        self._look_up()

    def _refreshed(self) -> _State:
        """What is held, looked up again; what was held goes on while that fails, up to its age."""
        held, now = self._state, self._now()
        if held is not None and now < self._until:
            return held
        try:
            return self._look_up()
        except KeyUnavailable:
            if held is None or now >= held.looked_up + self._limits.data_key_age:
                raise
            self._until = now + _PAUSE
            return held

    def _look_up(self) -> _State:
        rows = self._rows()
        if not rows:
            self._make(1, self._now())
            rows = self._rows()
        held = {key.version: key for key in (self._state.live if self._state else ())}
        missing = [row for row in rows if row.version not in held]
        opened = {key.version: key for key in map(self._open, missing)}
        live = tuple((held | opened)[row.version] for row in rows)
        if not live:
            raise KeyUnavailable(f"the key of index {self._index} was kept and is gone again")
        self._state = state = _State(live, self._now())
        self._until, self._hot = state.looked_up + self._limits.index_refresh, None
        return state

    def _rows(self) -> list[IndexKey]:
        return self._store.versions(self._owner, self._index)

    def _make(self, version: int, writes_from: float) -> None:
        """Mint and keep *version*, unless somebody else just did."""
        if version > MAX_VERSION:
            raise ConfigurationError(f"index {self._index} has used up its {MAX_VERSION} versions")
        (wrapped,) = self._service.wrap([self._random(SIZE)], self._bound(version))
        moment = datetime.fromtimestamp(writes_from, UTC)
        row = IndexKey(self._owner, self._index, version, self._bits, wrapped, moment)
        self._store.add(row)

    def _open(self, row: IndexKey) -> Keyed:
        (key,) = self._service.unwrap([row.wrapped], self._bound(row.version))
        if key is None or len(key) != SIZE:
            raise_decryption_failed()
        return Keyed(row, key, self._label)

    def _bound(self, version: int) -> bytes:
        """What a key is bound to when it is wrapped: one version of one index of one service."""
        return contexts.encode(
            {
                "use": "index key",
                "service": self._scope.service,
                "environment": self._scope.environment.value,
                "index": self._index,
                "version": version,
            }
        )

    @property
    def _owner(self) -> str:
        return f"{self._scope.service}/{self._scope.environment}"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("index keys can't be pickled or copied; declare the index in each process")
