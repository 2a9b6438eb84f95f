"""Redaction of secret values in logs and tracebacks, by value.

The SDK registers every value that it returns, with its encodings in JSON, URLs, HTML, base64,
hexadecimal and ``repr``. :func:`install` redacts them in log records, for handlers that do not
format, and in the text that handlers format; in tracebacks; and in the events of structlog and
loguru. An import installs nothing: an application or its framework helper calls :func:`install`.
``docs/Redaction.md`` lists what redaction misses.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final

from app_integration.observability.exception_hooks import (
    exception_hook,
    thread_hook,
    unraisable_hook,
)
from app_integration.observability.scrubber import scrub_record, scrubbed, scrubbed_copy
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

#: Module → the base of a driver's errors, which show what the driver cannot read: a URL.
_DRIVER_ERRORS: Final = {
    "psycopg": "Error",
    "redis.exceptions": "RedisError",
    "sqlalchemy.exc": "SQLAlchemyError",
}
#: What :func:`uninstall` restores: object, attribute name, original attribute.
_originals: list[tuple[Any, str, Any]] = []


def install(register: SecretRegistry = live) -> None:
    """Redact all log records and tracebacks from now on.

    Covers captured locals, all loggers, handlers and threads, also those created later, and if they
    are already imported structlog, loguru, and the text of the errors of psycopg, SQLAlchemy and
    redis. A second call covers what was imported since.

    Args:
        register: The registry of the secret values to redact.

    """
    _cover_records(register)
    _cover_handlers(register)
    _cover_tracebacks(register)
    _cover_hooks(register)
    for module, name in _DRIVER_ERRORS.items():
        if kind := getattr(sys.modules.get(module), name, None):
            _cover_text(kind, register)
    if structlog := sys.modules.get("structlog"):
        _cover_structlog(structlog, register)
    if loguru := sys.modules.get("loguru._handler"):
        _cover_loguru(loguru, register)


def sentry_options(
    register: SecretRegistry = live, *, streams_spans: bool = False
) -> dict[str, Any]:
    """Return options for ``sentry_sdk.init`` that redact secret values before Sentry sends them.

    Call ``sentry_sdk.init(dsn, **redaction.sentry_options())``. A hook of your own replaces one of
    these, so it must call :func:`scrubbed`.

    Args:
        register: The registry of the secret values to redact.
        streams_spans: Whether to cover spans, which ``trace_lifecycle="stream"`` sends separately.

    Returns:
        The names of Sentry's ``before_…`` hooks and the function for each.

    """

    def scrub(payload: Any, _hint: Any) -> Any:
        return scrubbed(payload, register)

    names = [
        *("before_send", "before_send_transaction", "before_breadcrumb"),
        *("before_send_log", "before_send_metric"),
    ]
    return dict.fromkeys([*names, *(["before_send_span"] if streams_spans else [])], scrub)


def uninstall() -> None:
    """Restore the functions that :func:`install` replaced."""
    while _originals:
        owner, name, original = _originals.pop()
        setattr(owner, name, original)


def _replace(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    if (owner, name) in (replaced[:2] for replaced in _originals):
        return
    original = getattr(owner, name)
    _originals.append((owner, name, original))
    setattr(owner, name, wrap(original))


def _cover_records(registry: SecretRegistry) -> None:
    def cover(handle: Any) -> Any:
        @wraps(handle)
        def scrub_and_handle(self: logging.Logger, record: logging.LogRecord) -> None:
            scrub_record(record, registry)
            handle(self, record)

        return scrub_and_handle

    # Not in the record factory, because that does not see `extra` fields.
    _replace(logging.Logger, "handle", cover)


def _cover_handlers(registry: SecretRegistry) -> None:
    """Redact what handlers write, because a formatter may print an object that no field shows."""
    from logging import handlers  # noqa: PLC0415 (costs 7 ms, and only an application needs it)

    def cover_text(format_: Any) -> Any:
        @wraps(format_)
        def format_and_scrub(self: logging.Handler, record: logging.LogRecord) -> Any:
            text = format_(self, record)
            return registry.scrub(text) if type(text) is str else scrubbed(text, registry)

        return format_and_scrub

    def cover_record(act: Any) -> Any:
        @wraps(act)
        def act_on_copy(self: logging.Handler, record: logging.LogRecord) -> Any:
            return act(self, scrubbed_copy(record, registry))

        return act_on_copy

    _replace(logging.Handler, "format", cover_text)
    # These write a record's attributes, or send them to a process that does not know the values.
    _replace(logging.Handler, "handleError", cover_record)
    _replace(handlers.QueueHandler, "enqueue", cover_record)
    _replace(handlers.SocketHandler, "makePickle", cover_record)
    _replace(handlers.HTTPHandler, "mapLogRecord", cover_record)


def _cover_tracebacks(registry: SecretRegistry) -> None:
    """Redact what the ``traceback`` module formats, because `logging` and `asyncio` use it too."""

    def cover_lines(format_: Any) -> Any:
        @wraps(format_)
        def scrubbed_lines(*args: Any, **options: Any) -> Iterator[str]:
            return (registry.scrub(line) for line in format_(*args, **options))

        return scrubbed_lines

    def cover_list(format_: Any) -> Any:
        lines = cover_lines(format_)
        return wraps(format_)(lambda *args, **options: list(lines(*args, **options)))

    _replace(traceback.TracebackException, "format", cover_lines)
    _replace(traceback.TracebackException, "format_exception_only", cover_lines)
    _replace(traceback.StackSummary, "format", cover_list)


def _cover_text(kind: type[BaseException], registry: SecretRegistry) -> None:
    """Redact the text of errors of *kind*, because an application may show it in a response."""

    def cover(show: Any) -> Any:
        return wraps(show)(lambda error: registry.scrub(show(error)))

    _replace(kind, "__str__", cover)
    _replace(kind, "__repr__", cover)


def _cover_structlog(structlog: Any, registry: SecretRegistry) -> None:
    def cover(process: Any) -> Any:
        @wraps(process)
        def process_and_scrub(*args: Any, **options: Any) -> Any:
            return scrubbed(process(*args, **options), registry)

        return process_and_scrub

    # After all processors, so that it also covers a traceback that a renderer has formatted.
    _replace(structlog.BoundLoggerBase, "_process_event", cover)


def _cover_hooks(registry: SecretRegistry) -> None:
    _replace(sys, "excepthook", lambda original: exception_hook(original, registry))
    _replace(threading, "excepthook", lambda original: thread_hook(original, registry))
    _replace(sys, "unraisablehook", lambda original: unraisable_hook(original, registry))


def _cover_loguru(loguru_handler: Any, registry: SecretRegistry) -> None:
    def cover(_new: Any) -> Any:
        def scrub_and_create(cls: Any, text: str = "") -> Any:
            return str.__new__(cls, registry.scrub(text))

        return scrub_and_create

    # What every sink receives: the whole text, with the traceback and its variables, or its JSON.
    _replace(loguru_handler.Message, "__new__", cover)
