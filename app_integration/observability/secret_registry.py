"""The secret values that this process has seen, and how to find them in a text.

A text is looked through once, whatever the number of values. Of each spelling, every eight bytes
that begin within its first eight are known as an *anchor*; so one of them stands at a multiple of
eight wherever in a text the spelling is. Only those words of the text are looked up, and only where
one is known is a whole spelling compared. Spellings under 15 bytes have anchors of four bytes.
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
from app_integration.observability.spellings import MIN_LENGTH, encodings, parts, wrapped
from app_integration.secret import REDACTED

MAX_VALUES: Final = 10_000  # remembered at once; what was seen the longest ago goes first
MAX_BYTES: Final = 64 * 2**20  # that the register takes; the same
#: Of one value: a long one has parts without end, and the whole is found all the same.
MAX_PARTS_BYTES: Final = 4 * 2**20
_LONG: Final = 256  # bytes; a longer spelling is kept as its digest
_SHORT: Final = 128  # words of a text that is read in one go
_WIDE: Final = 15  # bytes of a spelling that holds a word of eight wherever it begins

_Counted = TypeVar("_Counted")
#: How many bytes of a spelling stand before a word, and how long the spelling is.
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Spelled:
    """One spelling, of a value or of several.

    Attributes:
        key: itself, or its digest when it is long.
        head: as much of it as its anchors are in.
        length: in bytes.

    """

    key: bytes = field(repr=False)
    head: bytes = field(repr=False)
    length: int

    @classmethod
    def of(cls, spelling: bytes) -> _Spelled:
        """What is kept of *spelling*."""
        return cls(_key(spelling), spelling[:_WIDE], len(spelling))


@dataclass(slots=True)
class _Anchors:
    """Words of one size → where a spelling begins before such a word, and how long it is.

    Read without a lock: a tuple is exchanged whole.
    """

    size: int  # bytes
    code: Literal["Q", "I"]  # what a word is to struct and memoryview
    known: dict[int, tuple[_Place, ...]] = field(default_factory=dict, repr=False)
    words: KeysView[int] = field(init=False)  # all that are known
    _alone: dict[_Place, tuple[_Place]] = field(default_factory=dict)  # each made once
    _more: Counter[tuple[int, _Place]] = field(default_factory=Counter)  # spellings beyond one
    _short: list[Callable[[bytes], tuple[int, ...]]] = field(init=False)  # by count of words

    def __post_init__(self) -> None:
        self.words = self.known.keys()
        self._short = [Struct(f"={count}{self.code}").unpack_from for count in range(_SHORT)]

    def of(self, data: bytes) -> Sequence[int]:
        """The words at the multiples of their size in *data*."""
        count = len(data) // self.size
        if count < _SHORT:
            return self._short[count](data)  # a third quicker
        return memoryview(data)[: count * self.size].cast(self.code).tolist()

    def learn(self, spelled: _Spelled) -> None:
        """Know *spelled* by its anchors."""
        for word, place in self._anchors_of(spelled):
            alone = self._alone.setdefault(place, (place,))
            others = self.known.get(word)
            if others is None:
                self.known[word] = alone
            elif place in others:  # such as all URLs of a kind that are as long
                self._more[word, place] += 1
            else:
                self.known[word] = (*others, place)

    def forget(self, spelled: _Spelled) -> None:
        """Undo :meth:`learn`."""
        for word, place in self._anchors_of(spelled):
            if (word, place) in self._more:
                _less(self._more, (word, place))
                continue
            left = tuple(each for each in self.known[word] if each != place)
            if left:
                self.known[word] = left
            else:
                del self.known[word]

    def _anchors_of(self, spelled: _Spelled) -> Iterator[tuple[int, _Place]]:
        """Each anchor, with what is known by it."""
        for shift in range(self.size):
            word = spelled.head[shift : shift + self.size]
            yield int.from_bytes(word, sys.byteorder), (shift, spelled.length)


class SecretRegistry:
    """The live secret values of this process. Thread-safe."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[_Spelled, ...]] = OrderedDict()
        self._known: Counter[bytes] = Counter()  # key of a spelling → values that are spelled so
        self._wide, self._narrow = _Anchors(8, "Q"), _Anchors(4, "I")
        self._bytes = 0
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """A fresh lock; the values stay, since the child can still show them."""
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Remember *value* and its parts; what is under :data:`MIN_LENGTH` characters is not."""
        plain = value + ""  # of a Secret, the characters
        with self._lock:
            if plain in self._values:
                self._values.move_to_end(plain)
                return
        spelled = tuple(_spelled(plain))  # without the lock: that takes a while
        with self._lock:
            if spelled and plain not in self._values:
                self._values[plain] = spelled
                self._learn(spelled)
            while len(self._values) > 1 and self._is_full():
                self._forget(self._values.popitem(last=False)[1])

    def scrub(self, text: str) -> str:
        """*text* with each live value, in each spelling, replaced by ``[REDACTED]``."""
        data = text.encode("utf-8", "surrogatepass")
        wide, narrow = self._wide, self._narrow
        # In one call each, as nearly all that is logged holds no secret.
        found = [] if wide.words.isdisjoint(wide.of(data)) else self._places(data, wide)
        if narrow.known and not narrow.words.isdisjoint(narrow.of(data)):
            found += self._places(data, narrow)
        return _without(data, sorted(found)).decode("utf-8", "surrogatepass") if found else text

    def _places(self, data: bytes, anchors: _Anchors) -> list[tuple[int, int]]:
        """Where spellings that *anchors* know stand in *data*, as beginnings and ends."""
        return [
            (start, start + length)
            for index, word in enumerate(anchors.of(data))
            for shift, length in anchors.known.get(word, ())
            if (start := index * anchors.size - shift) >= 0
            and _key(data[start : start + length]) in self._known
        ]

    def _is_full(self) -> bool:
        return len(self._values) > MAX_VALUES or self._bytes > MAX_BYTES

    def _learn(self, spelled: Iterable[_Spelled]) -> None:
        for each in spelled:
            self._known[each.key] += 1
            if self._known[each.key] == 1:
                self._anchors(each).learn(each)
                self._bytes += _bytes(each)

    def _forget(self, spelled: Iterable[_Spelled]) -> None:
        for each in spelled:
            _less(self._known, each.key)
            if each.key not in self._known:
                self._anchors(each).forget(each)
                self._bytes -= _bytes(each)

    def _anchors(self, spelled: _Spelled) -> _Anchors:
        return self._wide if spelled.length >= _WIDE else self._narrow


def _less(counter: Counter[_Counted], key: _Counted) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _key(spelling: bytes) -> bytes:
    return spelling if len(spelling) <= _LONG else blake2b(spelling).digest()


def _bytes(spelled: _Spelled) -> int:
    """What the register takes for *spelled*, nearly, as measured on CPython 3.11."""
    return 900 + len(spelled.key)


def _spelled(value: str) -> Iterator[_Spelled]:
    """Every spelling of *value* and its parts, once each, as far as there is room."""
    seen, taken = set[bytes](), 0
    known = [part for part in parts(value) if len(part) >= MIN_LENGTH]
    # What is found most goes first.
    for text in chain(chain.from_iterable(map(encodings, known)), *map(wrapped, known)):
        spelling = text.encode(errors="surrogatepass")
        each = _Spelled.of(spelling)
        if len(spelling) < MIN_LENGTH or each.key in seen:
            continue
        seen.add(each.key)
        yield each
        taken += _bytes(each)
        if taken > MAX_PARTS_BYTES:
            return


def _without(data: bytes, found: Iterable[tuple[int, int]]) -> bytes:
    """*data* without the places *found*, in order."""
    pieces, last = list[bytes](), 0
    for start, end in found:
        if start >= last:
            pieces += [data[last:start], REDACTED.encode()]
        # One that begins inside another may end beyond it: that vanishes too.
        last = max(last, end)
    return b"".join([*pieces, data[last:]])


live = SecretRegistry()
