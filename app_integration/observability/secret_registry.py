"""The secret values that this process has seen, and how to find them in a text.

A text is looked through once, whatever the number of values: at each position the next eight bytes,
as one number, are looked up among the beginnings of all known spellings, and only where one begins
so is the whole of it compared.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from typing import Final, TypeVar
from urllib.parse import quote, quote_plus, unquote, urlsplit

from app_integration._internal import fork_safety
from app_integration.secret import REDACTED

_Key = TypeVar("_Key")

#: Shorter values would blank out ordinary words.
MIN_LENGTH: Final = 8  # characters
MAX_VALUES: Final = 10_000  # remembered at once; what was seen the longest ago goes first
_WORD: Final = 8  # bytes looked up at once; no spelling has fewer, as MIN_LENGTH sees to


class SecretRegistry:
    """The live secret values of this process. Thread-safe."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, None] = OrderedDict()
        self._spellings: Counter[bytes] = Counter()  # and how many values are spelled so
        self._lengths: defaultdict[int, Counter[int]] = defaultdict(Counter)  # by beginning
        #: Beginning → lengths of the spellings that begin so, the longest first. Read without lock.
        self._known: dict[int, tuple[int, ...]] = {}
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """A fresh lock; the values stay, since the child can still show them."""
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Remember *value*, and the password in it when it is a URL.

        Values under :data:`MIN_LENGTH` characters are not.
        """
        plain = value + ""  # of a Secret, the characters
        if len(plain) < MIN_LENGTH:
            return
        with self._lock:
            known = plain in self._values
            self._values[plain] = None
            self._values.move_to_end(plain)
            if not known:
                self._each(plain, self._learn)
                while len(self._values) > MAX_VALUES:
                    self._each(self._values.popitem(last=False)[0], self._unlearn)
        # Who connects takes a URL apart, and shows its password without the rest.
        if (password := _password_in(plain)) is not None:
            self.add(password)

    def scrub(self, text: str) -> str:
        """*text* with each live value, in each spelling, replaced by ``[REDACTED]``."""
        data = text.encode(errors="surrogatepass")
        found = self._beginnings(data)
        return self._without(data, found).decode(errors="surrogatepass") if found else text

    def _beginnings(self, data: bytes) -> list[int]:
        """Where something stands in *data* that a spelling begins with."""
        known, found, size = self._known, list[int](), len(data)
        for shift in range(min(_WORD, size)):
            words = memoryview(data)[shift : size - (size - shift) % _WORD].cast("Q").tolist()
            # In one call, as nearly all that is logged holds no secret.
            if not known.keys().isdisjoint(words):
                found += [shift + at * _WORD for at, word in enumerate(words) if word in known]
        return sorted(found)

    def _without(self, data: bytes, found: list[int]) -> bytes:
        """*data* without the spellings that begin where *found* says, the longest of each place."""
        parts, end = list[bytes](), 0
        for start in found:
            length = self._match(data, start)
            if not length:
                continue
            if start >= end:
                parts += [data[end:start], REDACTED.encode()]
            # One that begins inside another may end beyond it: that vanishes too.
            end = max(end, start + length)
        return b"".join([*parts, data[end:]])

    def _match(self, data: bytes, start: int) -> int:
        """The length of the longest spelling that stands at *start*; 0 for none."""
        for length in self._known.get(_beginning(data[start : start + _WORD]), ()):
            if data[start : start + length] in self._spellings:
                return length
        return 0

    def _each(self, value: str, change: Callable[[bytes], None]) -> None:
        for spelling in {each.encode(errors="surrogatepass") for each in encodings(value)}:
            change(spelling)
            self._publish(_beginning(spelling))

    def _learn(self, spelling: bytes) -> None:
        self._spellings[spelling] += 1
        self._lengths[_beginning(spelling)][len(spelling)] += 1

    def _unlearn(self, spelling: bytes) -> None:
        _less(self._spellings, spelling)
        _less(self._lengths[_beginning(spelling)], len(spelling))

    def _publish(self, beginning: int) -> None:
        lengths = self._lengths[beginning]
        if lengths:
            self._known[beginning] = tuple(sorted(lengths, reverse=True))
        else:
            del self._known[beginning], self._lengths[beginning]


def _beginning(data: bytes) -> int:
    """The first :data:`_WORD` bytes as one number, as a cast memoryview gives them."""
    return int.from_bytes(data[:_WORD], sys.byteorder)


def _password_in(value: str) -> str | None:
    """The password, decoded, when *value* is a URL that holds one."""
    if "://" not in value or "@" not in value:
        return None
    try:
        password = urlsplit(value).password
    except ValueError:
        return None
    return None if password is None else unquote(password)


def _less(counter: Counter[_Key], key: _Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def encodings(value: str) -> Iterator[str]:
    """The forms in which *value* may turn up in a text: itself, escaped, encoded."""
    yield value
    yield repr(value)[1:-1]
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    raw = value.encode(errors="surrogatepass")
    for safe in ("", "/"):
        yield quote(raw, safe=safe)
    yield quote_plus(raw)
    yield raw.hex()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        yield from _inside(raw, encode)


def _inside(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """What base64 of any text that holds *raw* must hold, by where *raw* begins in it.

    HTTP's Basic authentication sends a password so, behind the user's name.
    """
    for before in range(3):
        encoded = encode(bytes(before) + raw).decode()
        # Six bits a character: those that share bits with a neighbour can be anything.
        yield encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]


live = SecretRegistry()
