"""Registry of the secret values that this process has seen, which redacts them in a text.

A text is scanned once, whatever the number of values. For each encoding of a value, all eight
8-byte words that begin within its first eight bytes are its *anchors*. Wherever the encoding is in
a text, one of its anchors is therefore at a multiple of eight. Only those words of the text are
looked up, and only after a match is a whole encoding compared. Encodings under 15 bytes have
anchors of four bytes.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, KeysView, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from struct import Struct
from typing import Final, Literal, TypeVar

from app_integration._internal import fork_safety
from app_integration.observability.value_encodings import (
    MIN_LENGTH,
    encodings,
    sensitive_parts,
    wrapped_base64,
)
from app_integration.secret import REDACTED

MAX_VALUES: Final = 10_000  # values; beyond that the least recently added one is removed
MAX_BYTES: Final = 64 * 2**20  # estimated memory of the registry; beyond that the same
#: Estimated memory of the parts of one value, because a long value may have very many parts. The
#: value as a whole is found in any case.
MAX_PARTS_BYTES: Final = 4 * 2**20
_MAX_PLAIN: Final = 256  # bytes; a longer encoding is stored as its digest
_MAX_UNPACKED: Final = 128  # words; a shorter text is unpacked by one struct call
_MIN_WIDE: Final = 15  # bytes that contain an aligned 8-byte word at any offset

_Counted = TypeVar("_Counted")
#: The number of bytes of an encoding before an anchor, and the length of the encoding.
_Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Encoding:
    """One encoding, of one value or of several.

    *key* is the encoding, or its digest if it is long; *head* are its first bytes, which contain
    its anchors.
    """

    key: bytes = field(repr=False)
    head: bytes = field(repr=False)
    length: int

    @classmethod
    def from_bytes(cls, data: bytes) -> _Encoding:
        """Return the entry of the encoding *data*."""
        return cls(_key(data), data[:_MIN_WIDE], len(data))


@dataclass(slots=True)
class _AnchorIndex:
    """Map of anchors of one size to the positions of the encodings that have them.

    It is read without a lock, so an update replaces a tuple as a whole.
    """

    size: int  # bytes
    code: Literal["Q", "I"]  # the format of a word for struct and memoryview
    positions: dict[int, tuple[_Position, ...]] = field(default_factory=dict, repr=False)
    words: KeysView[int] = field(init=False)  # all anchors
    _singles: dict[_Position, tuple[_Position]] = field(default_factory=dict)  # shared tuples
    _duplicates: Counter[tuple[int, _Position]] = field(default_factory=Counter)  # beyond the first
    _unpackers: list[Callable[[bytes], tuple[int, ...]]] = field(init=False)  # by number of words

    def __post_init__(self) -> None:
        self.words = self.positions.keys()
        self._unpackers = [
            Struct(f"={count}{self.code}").unpack_from for count in range(_MAX_UNPACKED)
        ]

    def words_of(self, data: bytes) -> Sequence[int]:
        """Return the words of *data* at the multiples of their size."""
        count = len(data) // self.size
        if count < _MAX_UNPACKED:
            return self._unpackers[count](data)  # a third faster than memoryview
        return memoryview(data)[: count * self.size].cast(self.code).tolist()

    def add(self, encoding: _Encoding) -> None:
        """Add the anchors of *encoding*."""
        for word, position in self._anchors_of(encoding):
            single = self._singles.setdefault(position, (position,))
            others = self.positions.get(word)
            if others is None:
                self.positions[word] = single
            elif position in others:  # such as all URLs of a kind that are equally long
                self._duplicates[word, position] += 1
            else:
                self.positions[word] = (*others, position)

    def remove(self, encoding: _Encoding) -> None:
        """Remove the anchors of *encoding*, except those that another encoding shares."""
        for word, position in self._anchors_of(encoding):
            if (word, position) in self._duplicates:
                _decrement(self._duplicates, (word, position))
                continue
            left = tuple(each for each in self.positions[word] if each != position)
            if left:
                self.positions[word] = left
            else:
                del self.positions[word]

    def _anchors_of(self, encoding: _Encoding) -> Iterator[tuple[int, _Position]]:
        for shift in range(self.size):
            word = encoding.head[shift : shift + self.size]
            yield int.from_bytes(word, sys.byteorder), (shift, encoding.length)


class SecretRegistry:
    """Registry of secret values that :meth:`scrub` replaces in a text. Thread-safe."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[_Encoding, ...]] = OrderedDict()
        self._keys: Counter[bytes] = Counter()  # key of an encoding → number of values that have it
        self._wide, self._narrow = _AnchorIndex(8, "Q"), _AnchorIndex(4, "I")
        self._bytes = 0
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Recreate the lock. The values stay, because the child may log them too."""
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Add *value* and its parts, except those under :data:`MIN_LENGTH` characters."""
        plain = value + ""  # the characters: str() of a Secret is redacted
        with self._lock:
            if plain in self._values:
                self._values.move_to_end(plain)
                return
        found = tuple(_encodings_of(plain))  # without the lock, because it takes a while
        with self._lock:
            if found and plain not in self._values:
                self._values[plain] = found
                self._index(found)
            while len(self._values) > 1 and self._is_full():
                self._unindex(self._values.popitem(last=False)[1])

    def scrub(self, text: str) -> str:
        """Return *text* with each value, in each encoding, replaced by ``[REDACTED]``."""
        data = text.encode("utf-8", "surrogatepass")
        wide, narrow = self._wide, self._narrow
        # One call for the whole text first, because nearly all log messages hold no secret.
        found = [] if wide.words.isdisjoint(wide.words_of(data)) else self._find(data, wide)
        if narrow.positions and not narrow.words.isdisjoint(narrow.words_of(data)):
            found += self._find(data, narrow)
        return _redact(data, sorted(found)).decode("utf-8", "surrogatepass") if found else text

    def _find(self, data: bytes, anchors: _AnchorIndex) -> list[tuple[int, int]]:
        """Return the starts and ends of the encodings in *data* that *anchors* index."""
        return [
            (start, start + length)
            for index, word in enumerate(anchors.words_of(data))
            for shift, length in anchors.positions.get(word, ())
            if (start := index * anchors.size - shift) >= 0
            and _key(data[start : start + length]) in self._keys
        ]

    def _is_full(self) -> bool:
        return len(self._values) > MAX_VALUES or self._bytes > MAX_BYTES

    def _index(self, found: Iterable[_Encoding]) -> None:
        for encoding in found:
            self._keys[encoding.key] += 1
            if self._keys[encoding.key] == 1:
                self._anchors(encoding).add(encoding)
                self._bytes += _estimate_bytes(encoding)

    def _unindex(self, found: Iterable[_Encoding]) -> None:
        for encoding in found:
            _decrement(self._keys, encoding.key)
            if encoding.key not in self._keys:
                self._anchors(encoding).remove(encoding)
                self._bytes -= _estimate_bytes(encoding)

    def _anchors(self, encoding: _Encoding) -> _AnchorIndex:
        return self._wide if encoding.length >= _MIN_WIDE else self._narrow


def _decrement(counter: Counter[_Counted], key: _Counted) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _key(data: bytes) -> bytes:
    return data if len(data) <= _MAX_PLAIN else blake2b(data).digest()


def _estimate_bytes(encoding: _Encoding) -> int:
    """Return the approximate memory of one encoding in bytes, as measured on CPython 3.11."""
    return 900 + len(encoding.key)


def _encodings_of(value: str) -> Iterator[_Encoding]:
    """Yield each encoding of *value* and its parts once, up to :data:`MAX_PARTS_BYTES`."""
    seen, size = set[bytes](), 0
    parts = [part for part in sensitive_parts(value) if len(part) >= MIN_LENGTH]
    # Wrapped base64 comes last, because it appears least often and memory is limited.
    for text in chain(chain.from_iterable(map(encodings, parts)), *map(wrapped_base64, parts)):
        data = text.encode(errors="surrogatepass")
        encoding = _Encoding.from_bytes(data)
        if len(data) < MIN_LENGTH or encoding.key in seen:
            continue
        seen.add(encoding.key)
        yield encoding
        size += _estimate_bytes(encoding)
        if size > MAX_PARTS_BYTES:
            return


def _redact(data: bytes, found: Iterable[tuple[int, int]]) -> bytes:
    """Return *data* with each range of *found*, which is sorted, replaced by ``[REDACTED]``."""
    pieces, last = list[bytes](), 0
    for start, end in found:
        if start >= last:
            pieces += [data[last:start], REDACTED.encode()]
        # A range that begins inside another may end beyond it, so the longer end counts.
        last = max(last, end)
    return b"".join([*pieces, data[last:]])


live = SecretRegistry()
