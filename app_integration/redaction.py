"""Keep secret values out of logs and tracebacks, by value.

Every value that the SDK hands out is remembered; :func:`install` puts a filter on the root
handlers, and on the interpreter's exception hook, that replaces each occurrence. Nothing happens
at import: an application, or its framework helper, calls :func:`install` once.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from types import TracebackType
from typing import Final

from app_integration.secret import REDACTED, Secret

#: Shorter values would blank out ordinary words.
MIN_LENGTH: Final = 8  # characters


class Register:
    """The live secret values of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Remember *value*; values under :data:`MIN_LENGTH` characters are not."""
        plain = value.reveal() if isinstance(value, Secret) else value
        if len(plain) < MIN_LENGTH:
            return
        with self._lock:
            if plain not in self._values:
                self._values.add(plain)
                self._pattern = None

    def scrub(self, text: str) -> str:
        """*text* with each live value replaced by ``[REDACTED]``."""
        pattern = self._pattern or self._compile()
        return pattern.sub(REDACTED, text) if pattern else text

    def _compile(self) -> re.Pattern[str] | None:
        with self._lock:
            if not self._values:
                return None
            # The longest first: a value that holds another must vanish whole.
            values = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, values)))
            return self._pattern


live = Register()


class RedactingFilter(logging.Filter):
    """Renders a record and scrubs it: message, exception text and stack."""

    def __init__(self, register: Register) -> None:
        super().__init__()
        self._register = register
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true; the record is changed in place."""
        record.msg, record.args = self._register.scrub(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._register.scrub(record.exc_text)
        if record.stack_info:
            record.stack_info = self._register.scrub(record.stack_info)
        return True


def install(register: Register = live) -> None:
    """Scrub every record that any logger makes from now on, and uncaught exceptions' tracebacks.

    Works through the record factory, so loggers and handlers added later are covered too. Calling
    it again changes nothing.
    """
    factory = logging.getLogRecordFactory()
    if isinstance(factory, _RedactingFactory):
        return
    logging.setLogRecordFactory(_RedactingFactory(register))
    sys.excepthook = _redacting_hook(register)


class _RedactingFactory:
    def __init__(self, register: Register) -> None:
        self._inner = logging.getLogRecordFactory()
        self._filter = RedactingFilter(register)

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self._inner(*args, **kwargs)
        self._filter.filter(record)
        return record


def _redacting_hook(register: Register):  # type: ignore[no-untyped-def]  # noqa: ANN202
    formatter = logging.Formatter()

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        text = formatter.formatException((kind, error, traceback))
        sys.stderr.write(f"{register.scrub(text)}\n")

    return hook
