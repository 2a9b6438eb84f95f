"""Keep secret values out of logs and tracebacks, by value.

Every value that the SDK hands out is remembered, with the spellings it takes in JSON, URLs, base64
and ``repr``. :func:`install` replaces each of them in every log record and in the traceback of an
uncaught exception. Nothing happens at import: an application, or its framework helper, calls it.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

from app_integration import forks
from app_integration.secret import REDACTED

#: Shorter values would blank out ordinary words.
MIN_LENGTH: Final = 8  # characters
MAX_VALUES: Final = 10_000  # remembered at once; the oldest goes first

_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


class Register:
    """The live secret values of this process. Thread-safe."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, None] = OrderedDict()
        self.forget()
        forks.forget_in_child(self)

    def forget(self) -> None:
        """A fresh lock; the values stay, since the child can still show them."""
        self._lock = threading.Lock()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Remember *value*; values under :data:`MIN_LENGTH` characters are not."""
        plain = value + ""  # of a Secret, the characters
        if len(plain) < MIN_LENGTH or plain in self._values:
            return
        with self._lock:
            self._values[plain] = None
            if len(self._values) > MAX_VALUES:
                self._values.popitem(last=False)
            self._pattern = None

    def scrub(self, text: str) -> str:
        """*text* with each live value, in each spelling, replaced by ``[REDACTED]``."""
        pattern = self._pattern or self._compile()
        return pattern.sub(REDACTED, text) if pattern else text

    def _compile(self) -> re.Pattern[str] | None:
        with self._lock:
            # The longest first: a value that holds another must vanish whole.
            found = {spelling for value in self._values for spelling in spellings(value)}
            ordered = sorted(found, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
            return self._pattern


def spellings(value: str) -> Iterator[str]:
    """The forms in which *value* may turn up in a text: itself, escaped, encoded."""
    yield value
    yield repr(value)[1:-1]
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    raw = value.encode(errors="surrogatepass")
    for safe in ("", "/"):
        yield quote(raw, safe=safe)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")


live = Register()


def scrub_record(record: logging.LogRecord, register: Register = live) -> None:
    """Take the live values out of *record*: message, extra fields, exception text and stack.

    A record that holds none is left as it is, arguments included.
    """
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 (a wrong format string is for logging to report)
        message = ""
    scrubbed = register.scrub(message)
    if scrubbed != message:
        record.msg, record.args = scrubbed, None
    if record.exc_info and not record.exc_text:
        text = logging.Formatter().formatException(record.exc_info)
        if (clean := register.scrub(text)) != text:
            record.exc_text = clean
    for name, value in record.__dict__.items():
        if type(value) is str and name != "msg":
            record.__dict__[name] = register.scrub(value)


def install(register: Register = live) -> None:
    """Scrub every record that any logger makes from now on, and uncaught exceptions' tracebacks.

    Covers loggers and handlers added later, and threads. Calling it again changes nothing.
    """
    if getattr(logging.Logger.makeRecord, "scrubs", False):
        return
    make_record = logging.Logger.makeRecord

    def make_scrubbed(self: logging.Logger, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(self, *args, **kwargs)
        scrub_record(record, register)
        return record

    make_scrubbed.scrubs = True  # type: ignore[attr-defined] # tells a second call
    # Here and not in the record factory, which doesn't see `extra` fields.
    logging.Logger.makeRecord = make_scrubbed  # type: ignore[method-assign] # as said
    sys.excepthook = _scrubbing_hook(sys.excepthook, register)
    thread_hook = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or thread_hook is not threading.__excepthook__:
            thread_hook(args)
        elif args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else "?"
            sys.stderr.write(f"Exception in thread {name}:\n")
            _print(args.exc_type, args.exc_value, args.exc_traceback, register)

    threading.excepthook = hook


def _scrubbing_hook(previous: _Hook, register: Register) -> _Hook:
    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if previous is sys.__excepthook__:
            _print(kind, error, traceback, register)
            return
        # Somebody else's hook prints or sends it: what it is given must hold nothing.
        _scrub_arguments(error, register)
        previous(kind, error, traceback)

    return hook


def _print(
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
    register: Register,
) -> None:
    text = logging.Formatter().formatException((kind, error, traceback))
    sys.stderr.write(f"{register.scrub(text)}\n")


def _scrub_arguments(error: BaseException, register: Register) -> None:
    """Replace live values in the arguments of *error* and of what led to it."""
    chain: BaseException | None = error
    while chain is not None:
        chain.args = tuple(
            register.scrub(each + "") if isinstance(each, str) else each for each in chain.args
        )
        chain = chain.__cause__ or chain.__context__
