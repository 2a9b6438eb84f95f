"""Live versions of one index's key, cached in a process and refreshed from time to time.

A process that looks up or writes rows only reads them. They are created, rotated and retired by
explicit calls, such as those of a migration.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn

from app_integration._internal import fork_safety
from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption.blind_index import key_context
from app_integration.encryption.blind_index.key_context import Versions
from app_integration.encryption.blind_index.stores import MAX_VERSION, IndexKey, IndexKeyStore
from app_integration.encryption.blind_index.version_key import MAX_BITS, SIZE, VersionKey
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.errors import ConfigurationError, IndexKeyLost, KeyUnavailable
from app_integration.names import Scope
from app_integration.settings import Limits

MAX_LIVE: Final = 2  # live versions: the one for new index values, and one before or after it
#: Seconds until a failed refresh is repeated, while the cached keys are used on.
_RETRY_INTERVAL: Final = 30.0


@dataclass(frozen=True, slots=True)
class _State:
    """Cached live versions, the oldest first, with their rows and the last refresh's time."""

    live: tuple[VersionKey, ...]
    rows: tuple[IndexKey, ...]
    loaded_at: float  # seconds since the epoch


class _CurrentKey(NamedTuple):
    """Version for new index values, certain until *valid_until*, in seconds since the epoch."""

    key: VersionKey
    valid_until: float


class IndexVersions:
    """Key of one index, cached. Thread-safe; a forked child keeps the cached key."""

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
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Create an empty cache. No request is sent.

        *now* returns seconds since the epoch, because all machines must agree on when a version
        begins.
        """
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
        self._refresh_at = 0.0  # seconds since the epoch
        self._current: _CurrentKey | None = None
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Recreate the locks. The cached keys stay valid in a forked child."""
        self._flights: SingleFlight[_State] = SingleFlight()

    def live(self) -> tuple[VersionKey, ...]:
        """Return every live version, the oldest first."""
        state = self._state
        if state is not None and self._now() < self._refresh_at:
            return state.live
        return self._flights.do("refresh", self._refresh).live

    def current(self) -> VersionKey:
        """Return the version for new index values: the newest whose time has come.

        See :meth:`live` for the errors.
        """
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
        """Create the first version; return False if there is one. See :meth:`BlindIndex.create`."""
        created = not self._read_rows() and self._store.replace(
            [], [self._create_row(1, self._now(), (1,))]
        )
        self._load()
        return created

    def bind(self) -> None:
        """Bind rows from before rows were bound. See :meth:`BlindIndex.bind`."""
        rows = self._read_rows()
        keys = [self._unwrap_row(row, key_context.identify(self._scope, row)) for row in rows]
        self._replace_rows(rows, self._wrap_rows(rows, keys, key_context.version_numbers(rows)))

    def rotate(self) -> int:
        """Create a new version of the key and return its number. See :meth:`BlindIndex.rotate`."""
        rows = self._load().rows
        if len(rows) >= MAX_LIVE:
            versions = ", ".join(str(row.version) for row in rows)
            raise ConfigurationError(
                f"index {self._index} has the live versions {versions}; write the rows of the "
                "oldest again and retire it first"
            )
        # Twice the interval, so that every process has refreshed by then, whenever it did before.
        starts = self._now() + 2 * self._limits.index_refresh
        number = rows[-1].version + 1
        live = (*key_context.version_numbers(rows), number)
        kept = self._wrap_rows(rows, self._unwrap_rows(rows), live)
        self._replace_rows(rows, [*kept, self._create_row(number, starts, live)])
        return number

    def retire(self, version: int) -> None:
        """Delete *version* for good. See :meth:`BlindIndex.retire`."""
        rows = self._load().rows
        if version not in key_context.version_numbers(rows) or version == self.current().version:
            live = ", ".join(map(str, key_context.version_numbers(rows)))
            raise ConfigurationError(
                f"version {version} of index {self._index} cannot be retired: new values use it, "
                f"or it is not live; choose an older one of {live}"
            )
        kept = [row for row in rows if row.version != version]
        keys = self._unwrap_rows(rows)
        left = [key for row, key in zip(rows, keys, strict=True) if row.version != version]
        self._replace_rows(rows, self._wrap_rows(kept, left, key_context.version_numbers(kept)))

    def _refresh(self) -> _State:
        """Read the rows again; if that fails, keep the cached keys up to their maximum age."""
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
                f"{self._store.place} contains no key of index {self._index}: create it once with "
                "create(), where the table is created; or restore its rows"
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
            raise KeyUnavailable(
                f"another process has changed the key of index {self._index}; try again"
            )
        self._load()

    def _create_row(self, version: int, writes_from: float, live: Versions) -> IndexKey:
        if version > MAX_VERSION:
            raise ConfigurationError(
                f"index {self._index} has used up its {MAX_VERSION} versions; declare a new index"
            )
        # Whole seconds, because databases differ in how exactly they store a time.
        moment = datetime.fromtimestamp(math.ceil(writes_from), UTC)
        row = IndexKey(self._owner, self._index, version, self._bits, b"", moment)
        return self._wrap_row(row, self._random(SIZE), live)

    def _wrap_rows(
        self, rows: Sequence[IndexKey], keys: Sequence[bytes], live: Versions
    ) -> list[IndexKey]:
        return [self._wrap_row(*each, live) for each in zip(rows, keys, strict=True)]

    def _wrap_row(self, row: IndexKey, key: bytes, live: Versions) -> IndexKey:
        (wrapped,) = self._service.wrap(
            [key], contexts.encode(key_context.bind(self._scope, row, live))
        )
        return replace(row, wrapped=wrapped)

    def _unwrap_rows(self, rows: Sequence[IndexKey]) -> list[bytes]:
        """Return the keys of *rows*, which are all rows of the index."""
        live = key_context.version_numbers(rows)
        return [self._unwrap_row(row, key_context.bind(self._scope, row, live)) for row in rows]

    def _unwrap_row(self, row: IndexKey, bound: Mapping[str, str | int]) -> bytes:
        (key,) = self._service.unwrap([row.wrapped], contexts.encode(bound))
        if key is None or len(key) != SIZE or not 0 < row.bits <= MAX_BITS:
            raise IndexKeyLost(
                f"{self._store.place}: the row of version {row.version} of index {self._index} was "
                "altered, or another row of it was deleted or put back; restore all its rows"
            )
        return key

    @property
    def _owner(self) -> str:
        return key_context.owner(self._scope)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("index keys cannot be pickled or copied; declare the index in each process")
