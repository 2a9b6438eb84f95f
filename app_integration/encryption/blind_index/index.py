"""Blind indexes: equality search on an encrypted column without revealing its values.

An index value is a few bits of a keyed hash, which several values share on purpose. So a reader of
the table cannot tell which rows are equal, and a lookup decrypts a handful of rows and compares
them. ``docs/encryption-format.md`` specifies the bytes, ``docs/Rights.md`` explains what an index
reveals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NoReturn

from app_integration.encryption.blind_index.normalise import NORMALISERS, Normaliser
from app_integration.encryption.blind_index.version_key import MAX_BITS
from app_integration.encryption.blind_index.versions import IndexVersions
from app_integration.encryption.tokens import scalar_codec, value_codec
from app_integration.errors import ConfigurationError, EncryptionError

#: The least expected number of values that share one index value. With fewer, an index value stands
#: for a single value, so it reveals which rows are equal.
VALUES_PER_INDEX_VALUE: Final = 2
#: An index with fewer bits covers few distinct values, and reveals how often each of them occurs.
MIN_BITS: Final = 8
MAX_PARTS: Final = 8
_LENGTH: Final = 4  # bytes

Parts = tuple[Normaliser, ...]


def bits_for(rows: int, distinct: int | None = None) -> int:
    """Return the number of bits that an index over *rows* rows may have."""
    different = min(rows, distinct or rows)
    return max(0, min(MAX_BITS, math.floor(math.log2(max(different, 1) / VALUES_PER_INDEX_VALUE))))


class BlindIndex:
    """One declared index, built by ``BlindIndexes.index``. Thread-safe.

    >>> user.email_index = email.value("Ada@Example.com")               # doctest: +SKIP
    >>> User.email_index.in_(email.candidates("ada@example.com"))       # doctest: +SKIP

    Attributes:
        name: The index's stable id, such as ``users.email``; index values are bound to it.

    """

    def __init__(
        self, name: str, parts: Sequence[str | Normaliser], versions: IndexVersions
    ) -> None:
        """Create an index.

        Args:
            name: The index's stable id.
            parts: A normaliser for each value that the index covers.
            versions: The live versions of the index's key.

        Raises:
            ConfigurationError: If there are too few or too many parts, or a normaliser is unknown.

        """
        self.name = name
        self._parts = _resolve_normalisers(parts)
        self._versions = versions

    def value(self, *values: object) -> bytes | None:
        """Return the index value to store beside a row that contains *values*; None if one is None.

        Args:
            *values: One value for each part: str, or any type that ``encrypt_field`` accepts.

        Raises:
            EncryptionError: If a value is of another type, or their number differs from the index's
                parts.
            IndexKeyLost: If no key was created, or its rows were altered.
            KeyUnavailable: If the index's key is not cached and cannot be read now.
            AccessDenied: If this identity may not unwrap index keys.

        """
        message = self._encode_message(values)
        return None if message is None else self._versions.current().value(message)

    def values(self, *columns: Sequence[object]) -> list[bytes | None]:
        """Return the index value of each of many rows, in order. See :meth:`value`.

        It takes less time than a call for each row.

        Args:
            *columns: For each part, a sequence with its value for each row.

        Raises:
            ValueError: If the sequences differ in length.

        """
        if len(columns) == len(self._parts) == 1:
            messages = list(map(partial(_encode, self._parts[0]), columns[0]))
        else:
            messages = [self._encode_message(row) for row in zip(*columns, strict=True)]
        if messages.count(None) == len(messages):
            return [None] * len(messages)
        compute = self._versions.current().value
        return [None if message is None else compute(message) for message in messages]

    def candidates(self, *values: object) -> tuple[bytes, ...]:
        """Return the index values that a row with *values* may have, one for each live key version.

        A row with one of them need not contain *values*: decrypt it and compare. If one of *values*
        is None, there are no candidates. See :meth:`value` for the errors.
        """
        message = self._encode_message(values)
        if message is None:
            return ()
        return tuple(key.value(message) for key in self._versions.live())

    def values_equal(self, one: Sequence[object], other: Sequence[object]) -> bool:
        """Return whether two rows' values are equal for this index, to filter decrypted candidates.

        Args:
            one: The values of one row, one for each part.
            other: The values of the other row.

        """
        return self._encode_message(one) == self._encode_message(other)

    def is_current(self, stored: bytes | None) -> bool:
        """Return whether *stored* was made under the key version that new index values use."""
        return stored is None or stored[:1] == bytes((self._versions.current().version,))

    def create(self) -> bool:
        """Create the first version of the key; return False if there is a key already.

        Call it in a migration, or in the step that creates a new table. Once rows have index
        values, a new key would find none of them, so a running service never creates one.

        Raises:
            IndexKeyLost: If there are rows, but they were altered.
            KeyUnavailable: If no key can be wrapped or stored now.

        """
        return self._versions.create()

    def bind(self) -> None:
        """Bind the rows of a key from before rows were bound. Call it once, in a migration.

        Raises:
            IndexKeyLost: If a row is not of that kind.

        """
        self._versions.bind()

    def live_versions(self) -> tuple[int, ...]:
        """Return the numbers of the versions that lookups use, the oldest first: one or two.

        Raises:
            IndexKeyLost: If there is none, or the rows were altered.
            KeyUnavailable: If no key is cached, and none can be read now.

        """
        return tuple(each.version for each in self._versions.live())

    def rotate(self) -> int:
        """Create a new version of the key and return its number.

        From now on, lookups use both versions. New index values use the new one as soon as every
        process knows it, after twice ``index_refresh``. Then write each row again whose index value
        is not current, and :meth:`retire` the old version.

        Raises:
            ConfigurationError: If there are two live versions already.
            KeyUnavailable: If no key can be wrapped or stored now.

        """
        return self._versions.rotate()

    def retire(self, version: int) -> None:
        """Delete *version* for good; rows whose index values still use it are no longer found.

        Raises:
            ConfigurationError: If *version* is not live, or new index values use it.

        """
        self._versions.retire(version)

    def _encode_message(self, values: Sequence[object]) -> bytes | None:
        if len(values) == len(self._parts) == 1:
            return _encode(self._parts[0], values[0])
        if len(values) != len(self._parts):
            raise EncryptionError(
                f"index {self.name}: cannot index {len(values)} values; pass {len(self._parts)}"
            )
        encoded = [_encode(part, value) for part, value in zip(self._parts, values, strict=True)]
        if None in encoded:
            return None
        return b"".join(len(one).to_bytes(_LENGTH, "big") + one for one in encoded if one)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a blind index cannot be pickled or copied; declare it in each process")


def hash_label(name: str, parts: int) -> bytes:
    """Return the bytes that every hash of one index begins with, which differ for each index."""
    encoded = name.encode()
    return b"strongroom index" + bytes((parts, len(encoded))) + encoded


def _encode(normalise: Normaliser, value: object) -> bytes | None:
    """Encode *value* with its type, so that 1 and "1" differ; return None for None."""
    if type(value) is str:
        try:
            return _TEXT + normalise(value).encode()
        except UnicodeEncodeError:
            raise EncryptionError(
                "cannot index text with a lone surrogate; pass valid text"
            ) from None
    if value is None:
        return None
    code, encoded = value_codec.encode(value)
    if code == scalar_codec.TEXT:
        encoded = normalise(encoded.decode()).encode()
    return bytes((code,)) + encoded


_TEXT: Final = bytes((scalar_codec.TEXT,))


def _resolve_normalisers(parts: Sequence[str | Normaliser]) -> Parts:
    if not 0 < len(parts) <= MAX_PARTS:
        raise ConfigurationError(
            f"cannot declare an index over {len(parts)} values; use 1 to {MAX_PARTS}"
        )
    return tuple(_resolve_normaliser(part) for part in parts)


def _resolve_normaliser(part: str | Normaliser) -> Normaliser:
    if callable(part):
        return part
    found: Callable[[str], str] | None = NORMALISERS.get(part)
    if found is None:
        raise ConfigurationError(
            f"there is no normaliser {part!r}; use {', '.join(NORMALISERS)}, or a function"
        )
    return found
