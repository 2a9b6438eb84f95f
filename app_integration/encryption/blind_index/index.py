"""Blind indexes: equality on an encrypted column, without the database learning the values.

An index value is a few bits of a keyed hash. Several values share each of them, on purpose: whoever
has the table can't tell which rows are equal, and whoever looks up decrypts a handful of rows and
compares. ``docs/encryption-format.md`` has the bytes, ``docs/Security.md`` what an index shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from app_integration.encryption.blind_index.normalise import NORMALISERS, Normaliser
from app_integration.encryption.blind_index.versions import MAX_BITS, IndexVersions
from app_integration.encryption.tokens import scalar_codec, value_codec
from app_integration.errors import ConfigurationError, EncryptionError

#: Values that share one index value, expected at least. With fewer, an index value stands for one
#: value, and equal rows can be told.
VALUES_PER_INDEX_VALUE: Final = 2
#: Fewer bits than this come of a column with few distinct values, whose frequencies show.
MIN_BITS: Final = 8
MAX_PARTS: Final = 8
_LENGTH: Final = 4  # bytes

Parts = tuple[Normaliser, ...]


def bits_for(rows: int, distinct: int | None = None) -> int:
    """How many bits an index over *rows* rows may have.

    Args:
        rows: expected; rather too few than too many.
        distinct: different values among them; None when each row has its own.

    """
    different = min(rows, distinct or rows)
    return max(0, min(MAX_BITS, math.floor(math.log2(max(different, 1) / VALUES_PER_INDEX_VALUE))))


class BlindIndex:
    """One declared index. Made by ``BlindIndexes.index``; thread-safe.

    >>> user.email_index = email.value("Ada@Example.com")               # doctest: +SKIP
    >>> User.email_index.in_(email.candidates("ada@example.com"))       # doctest: +SKIP

    Attributes:
        name: its stable id, such as ``users.email``; index values are bound to it.

    """

    def __init__(
        self, name: str, parts: Sequence[str | Normaliser], versions: IndexVersions
    ) -> None:
        """Args: *parts* is a normaliser for each value that the index is over."""
        self.name = name
        self._parts = _resolve_normalisers(parts)
        self._versions = versions

    def value(self, *values: object) -> bytes | None:
        """What is stored beside a row that holds *given*; None when one of them is None.

        Args:
            given: one value for each part: str, or any type that ``encrypt_field`` takes.

        Raises:
            EncryptionError: a value of another type, or not as many as the index has parts.
            IndexKeyLost: no key was made, or its rows aren't as they were written.
            KeyUnavailable: the index's key isn't held and can't be had now.

        """
        message = self._encode_message(values)
        return None if message is None else self._versions.current().value(message)

    def candidates(self, *values: object) -> tuple[bytes, ...]:
        """What a row that holds *given* may have: one for each live version of the key.

        A row with one of them needn't hold *given*: decrypt it and compare. For a None among
        *given* there are none. Raises as :meth:`value` does.
        """
        message = self._encode_message(values)
        if message is None:
            return ()
        return tuple(key.value(message) for key in self._versions.live())

    def same(self, one: Sequence[object], other: Sequence[object]) -> bool:
        """Whether two rows' values count as equal to this index: what a candidate is checked by."""
        return self._encode_message(one) == self._encode_message(other)

    def is_current(self, stored: bytes | None) -> bool:
        """Whether *stored* was made under the key version that is written now."""
        return stored is None or stored[:1] == bytes((self._versions.current().version,))

    def create(self) -> bool:
        """Make the first version of the key; False when there is one.

        For a migration, or the step that makes a new table: while rows already have values, another
        key would find none of them. A running service never makes one.

        Raises:
            IndexKeyLost: there are rows, and they aren't as they were written.
            KeyUnavailable: no key can be made or kept now.

        """
        return self._versions.create()

    def bind(self) -> None:
        """Bind rows of the key that were made before rows were bound; once, by whoever migrates.

        Raises:
            IndexKeyLost: a row isn't of that kind.

        """
        self._versions.bind()

    def rotate(self) -> int:
        """Begin a new version of the key; gives its number. Lookups ask for both from now on.

        Rows are written under it once every process knows it (twice ``index_refresh``). Then write
        each row again whose value isn't current, and :meth:`retire` the old version.

        Raises:
            ConfigurationError: two versions live already.
            KeyUnavailable: no key can be made or kept now.

        """
        return self._versions.rotate()

    def retire(self, version: int) -> None:
        """Forget *version* for good: rows that still have values under it are found no more.

        Raises:
            ConfigurationError: no live version, or the one that is written.

        """
        self._versions.retire(version)

    def _encode_message(self, values: Sequence[object]) -> bytes | None:
        if len(values) == len(self._parts) == 1:
            return _encode(self._parts[0], values[0])
        if len(values) != len(self._parts):
            raise EncryptionError(
                f"index {self.name}: {len(values)} values given, it is over {len(self._parts)}"
            )
        encoded = [_encode(part, value) for part, value in zip(self._parts, values, strict=True)]
        if None in encoded:
            return None
        return b"".join(len(one).to_bytes(_LENGTH, "big") + one for one in encoded if one)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a blind index can't be pickled or copied; declare it in each process")


def label(name: str, parts: int) -> bytes:
    """What every hash of one index begins with, so that no other index's values are comparable."""
    encoded = name.encode()
    return b"strongroom index" + bytes((parts, len(encoded))) + encoded


def _encode(normalise: Normaliser, value: object) -> bytes | None:
    """*value* with its type: 1 and "1" differ. None for None."""
    if type(value) is str:
        try:
            return _TEXT + normalise(value).encode()
        except UnicodeEncodeError:
            raise EncryptionError("text with a lone surrogate can't be indexed") from None
    if value is None:
        return None
    code, encoded = value_codec.encode(value)
    if code == scalar_codec.TEXT:
        encoded = normalise(encoded.decode()).encode()
    return bytes((code,)) + encoded


_TEXT: Final = bytes((scalar_codec.TEXT,))


def _resolve_normalisers(parts: Sequence[str | Normaliser]) -> Parts:
    if not 0 < len(parts) <= MAX_PARTS:
        raise ConfigurationError(f"an index over {len(parts)} values; use 1 to {MAX_PARTS}")
    return tuple(_resolve_normaliser(part) for part in parts)


def _resolve_normaliser(part: str | Normaliser) -> Normaliser:
    if callable(part):
        return part
    found: Callable[[str], str] | None = NORMALISERS.get(part)
    if found is None:
        raise ConfigurationError(
            f"no normaliser is called {part!r}; use {', '.join(NORMALISERS)}, or a function"
        )
    return found
