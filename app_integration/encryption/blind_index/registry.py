"""Blind indexes that one service declares."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from app_integration import names
from app_integration.encryption.blind_index import index as blind_index
from app_integration.encryption.blind_index.index import (
    MIN_BITS,
    VALUES_PER_INDEX_VALUE,
    BlindIndex,
    bits_for,
)
from app_integration.encryption.blind_index.normalise import Normaliser
from app_integration.encryption.blind_index.versions import IndexVersions
from app_integration.encryption.tokens.encryption_context import MAX_NAME
from app_integration.errors import ConfigurationError
from app_integration.settings import Limits

if TYPE_CHECKING:
    from app_integration.encryption.blind_index.stores import IndexKeyStore
    from app_integration.encryption.keys.services import KeyService

#: One normaliser, or one for each part of a compound index.
NormaliserSpec = str | Normaliser | Sequence[str | Normaliser]


class BlindIndexes:
    """Declared indexes of one service in one environment. Thread-safe."""

    def __init__(
        self,
        key_service: KeyService,
        store: IndexKeyStore,
        scope: names.Scope,
        *,
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Create an empty registry. No request is sent."""
        self._versions = partial(
            IndexVersions,
            scope=scope,
            service=key_service,
            store=store,
            limits=limits or Limits(),
            now=now,
        )
        self._declared: dict[str, BlindIndex] = {}

    def index(
        self,
        name: str,
        *,
        rows: int,
        distinct: int | None = None,
        normalise: NormaliserSpec = "exact",
        low_entropy: bool = False,
    ) -> BlindIndex:
        """Declare the index *name*. No request is sent yet.

        Args:
            name: A stable id that outlives the column's name, such as ``users.email``.
            rows: The expected number of rows, rather too low than too high. It determines the
                number of bits. A version of the key keeps its bits; another estimate applies from
                the next rotation.
            distinct: The number of different values among the rows; None if every row has its own,
                as with an e-mail address.
            normalise: ``exact``, ``casefold``, ``email``, ``digits``, or a function from text to
                text; for a compound index one for each value, in order.
            low_entropy: Whether to index a column in spite of its few different values. Such an
                index reveals about how often each value occurs, and a reader who knows the
                frequencies can infer the values.

        Raises:
            ConfigurationError: If *name* is not a valid id or is already declared, or the column
                has too few different values.

        """
        if not 0 < len(name.encode()) <= MAX_NAME:
            raise ConfigurationError(
                f"cannot declare an index with a name of {len(name.encode())} bytes; use 1 to "
                f"{MAX_NAME}"
            )
        if name in self._declared:
            raise ConfigurationError(
                f"index {name} is already declared; keep the index that the first call returned"
            )
        bits = _check_bits(name, bits_for(rows, distinct), low_entropy=low_entropy)
        parts = [normalise] if isinstance(normalise, str) or callable(normalise) else normalise
        label = blind_index.hash_label(name, len(parts))
        declared = BlindIndex(name, parts, self._versions(name, label=label, bits=bits))
        self._declared[name] = declared
        return declared

    def find(self, name: str) -> BlindIndex | None:
        """Return the index *name*, or None if it is not declared."""
        return self._declared.get(name)

    def __getitem__(self, name: str) -> BlindIndex:
        """Return the declared index *name*."""
        try:
            return self._declared[name]
        except KeyError:
            raise ConfigurationError(
                f"index {name!r} is not declared; declare it once at start-up, with the number of "
                "rows that its table is expected to have"
            ) from None


def _check_bits(name: str, bits: int, *, low_entropy: bool) -> int:
    if bits >= MIN_BITS:
        return bits
    if low_entropy:
        return max(bits, 1)
    raise ConfigurationError(
        f"index {name}: if at least {VALUES_PER_INDEX_VALUE} values share each index value, there "
        f"are {bits} bits left, but an index needs {MIN_BITS}. So few different values can be told "
        "apart by how often they occur. Decrypt and compare instead, or pass low_entropy=True"
    )
