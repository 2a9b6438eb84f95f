"""Keep secret values out of logs and tracebacks, by value.

Every value that the SDK hands out is remembered, with the spellings it takes in JSON, URLs, HTML,
base64, hexadecimal and ``repr``. :func:`install` replaces each of them in what a logging handler
formats, and before that in the record, for handlers that don't format; in tracebacks; and in
structlog's events. Nothing happens at import: an application, or its framework helper, calls it.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from app_integration.observability.exception_hooks import (
    exception_hook,
    thread_hook,
    unraisable_hook,
)
from app_integration.observability.scrubber import scrub_record, scrubbed, shown_record
from app_integration.observability.secret_registry import SecretRegistry, live

__all__ = [
    "SecretRegistry",
    "install",
    "live",
    "scrub_record",
    "scrubbed",
    "sentry_options",
    "uninstall",
]

#: What was replaced, to be put back: owner, name, what was there.
_replaced: list[tuple[Any, str, Any]] = []


def install(register: SecretRegistry = live) -> None:
    """Scrub all log records and tracebacks from now on. Calling it again changes nothing.

    Covers loggers, handlers and threads that come later, captured locals, and structlog where it is
    imported already.
    """
    if _replaced:
        return
    _cover_records(register)
    _cover_handlers(register)
    _cover_tracebacks(register)
    _cover_hooks(register)
    if structlog := sys.modules.get("structlog"):
        _cover_structlog(structlog, register)


def sentry_options(
    register: SecretRegistry = live, *, streams_spans: bool = False
) -> dict[str, Any]:
    """Options for ``sentry_sdk.init``, by which nothing is sent that holds a live value.

    ``sentry_sdk.init(dsn, **redaction.sentry_options())``. A hook of your own takes the place of
    one of these: have it call :func:`scrubbed`.

    Args:
        register: whose values.
        streams_spans: also cover spans, where ``trace_lifecycle="stream"`` sends each by itself.

    """

    def scrub(payload: Any, _hint: Any) -> Any:
        return scrubbed(payload, register)

    names = [
        *("before_send", "before_send_transaction", "before_breadcrumb"),
        *("before_send_log", "before_send_metric"),
    ]
    return dict.fromkeys([*names, *(["before_send_span"] if streams_spans else [])], scrub)


def uninstall() -> None:
    """Put back what :func:`install` replaced."""
    while _replaced:
        owner, name, before = _replaced.pop()
        setattr(owner, name, before)


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    before = getattr(owner, name)
    _replaced.append((owner, name, before))
    setattr(owner, name, make(before))


def _cover_records(register: SecretRegistry) -> None:
    def cover(handle: Any) -> Any:
        @wraps(handle)
        def scrub_and_handle(self: logging.Logger, record: logging.LogRecord) -> None:
            scrub_record(record, register)
            handle(self, record)

        return scrub_and_handle

    # Here and not in the record factory, which doesn't see `extra` fields.
    _replace(logging.Logger, "handle", cover)


def _cover_handlers(register: SecretRegistry) -> None:
    """Redact what handlers write, because a formatter may print an object that no field shows."""
    from logging import handlers  # noqa: PLC0415 (costs 7 ms, and only an application needs it)

    def cover_text(format_: Any) -> Any:
        @wraps(format_)
        def format_and_scrub(self: logging.Handler, record: logging.LogRecord) -> Any:
            text = format_(self, record)
            return register.scrub(text) if type(text) is str else scrubbed(text, register)

        return format_and_scrub

    def cover_record(act: Any) -> Any:
        @wraps(act)
        def act_on_shown(self: logging.Handler, record: logging.LogRecord) -> Any:
            return act(self, shown_record(record, register))

        return act_on_shown

    _replace(logging.Handler, "format", cover_text)
    # These write a record's attributes, or send them to where nobody knows the values.
    _replace(logging.Handler, "handleError", cover_record)
    _replace(handlers.QueueHandler, "enqueue", cover_record)
    _replace(handlers.SocketHandler, "makePickle", cover_record)
    _replace(handlers.HTTPHandler, "mapLogRecord", cover_record)


def _cover_tracebacks(register: SecretRegistry) -> None:
    """Whoever formats a traceback goes through these, `logging` and `asyncio` among them."""

    def cover_lines(format_: Any) -> Any:
        @wraps(format_)
        def scrubbed_lines(*args: Any, **options: Any) -> Iterator[str]:
            return (register.scrub(line) for line in format_(*args, **options))

        return scrubbed_lines

    def cover_list(format_: Any) -> Any:
        lines = cover_lines(format_)
        return wraps(format_)(lambda *args, **options: list(lines(*args, **options)))

    _replace(traceback.TracebackException, "format", cover_lines)
    _replace(traceback.TracebackException, "format_exception_only", cover_lines)
    _replace(traceback.StackSummary, "format", cover_list)


def _cover_structlog(structlog: Any, register: SecretRegistry) -> None:
    def cover(process: Any) -> Any:
        @wraps(process)
        def process_and_scrub(*args: Any, **options: Any) -> Any:
            return scrubbed(process(*args, **options), register)

        return process_and_scrub

    # Behind all processors, so that it sees what a renderer made of a traceback.
    _replace(structlog.BoundLoggerBase, "_process_event", cover)


def _cover_hooks(register: SecretRegistry) -> None:
    _replace(sys, "excepthook", lambda before: exception_hook(before, register))
    _replace(threading, "excepthook", lambda before: thread_hook(before, register))
    _replace(sys, "unraisablehook", lambda before: unraisable_hook(before, register))
