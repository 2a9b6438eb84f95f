"""The blind indexes that one service declares."""

from __future__ import annotations

import os
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
Normalise = str | Normaliser | Sequence[str | Normaliser]


class BlindIndexes:
    """Declares the indexes of one service in one environment. Thread-safe."""

    def __init__(
        self,
        key_service: KeyService,
        store: IndexKeyStore,
        scope: names.Scope,
        *,
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Args: *now* in seconds since the epoch; *random* gives that many unpredictable bytes."""
        self._versions = partial(
            IndexVersions,
            scope=scope,
            service=key_service,
            store=store,
            limits=limits or Limits(),
            now=now,
            random=random,
        )
        self._declared: dict[str, BlindIndex] = {}

    def index(
        self,
        name: str,
        *,
        rows: int,
        distinct: int | None = None,
        normalise: Normalise = "exact",
        low_entropy: bool = False,
    ) -> BlindIndex:
        """Declare the index *name*; nothing is sent yet.

        Args:
            name: a stable id that outlives the column's name, such as ``users.email``.
            rows: expected in the table, rather too few than too many: from it follow the bits. A
                version of the key keeps its bits; another estimate counts from the next rotation.
            distinct: how many different values there are among them; None when each row has its
                own, as with an e-mail address.
            normalise: ``exact``, ``casefold``, ``email``, ``digits``, or a function from text to
                text; for a compound index one for each value, in order.
            low_entropy: index a column with few different values all the same. Its index shows
                about how often each occurs, and who knows that can tell which is which.

        Raises:
            ConfigurationError: a name that is no id, already declared otherwise, or a column with
                too few values.

        """
        if not 0 < len(name.encode()) <= MAX_NAME:
            raise ConfigurationError(f"the name of an index has 1 to {MAX_NAME} bytes")
        if name in self._declared:
            raise ConfigurationError(f"index {name} is declared already; keep what that gave")
        bits = _check_bits(name, bits_for(rows, distinct), low_entropy=low_entropy)
        parts = [normalise] if isinstance(normalise, str) or callable(normalise) else normalise
        label = blind_index.label(name, len(parts))
        declared = BlindIndex(name, parts, self._versions(name, label=label, bits=bits))
        self._declared[name] = declared
        return declared

    def find(self, name: str) -> BlindIndex | None:
        """The index *name*, if it is declared."""
        return self._declared.get(name)

    def __getitem__(self, name: str) -> BlindIndex:
        """The declared index *name*.

        Raises:
            ConfigurationError: it wasn't declared.

        """
        try:
            return self._declared[name]
        except KeyError:
            raise ConfigurationError(
                f"index {name!r} isn't declared; declare it once at start-up, with the rows that "
                "its table is expected to have"
            ) from None


def _check_bits(name: str, bits: int, *, low_entropy: bool) -> int:
    if bits >= MIN_BITS:
        return bits
    if low_entropy:
        return max(bits, 1)
    raise ConfigurationError(
        f"index {name}: with at least {VALUES_PER_INDEX_VALUE} values to each index value there are {bits} "
        f"bits left, of {MIN_BITS} that an index is worth having for. So few different values "
        "can be told apart by how often they occur. Decrypt and compare instead, or pass "
        "low_entropy=True"
    )
