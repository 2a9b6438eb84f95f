"""Keep secret values out of logs and tracebacks, by value.

Every value that the SDK hands out is remembered, with the spellings it takes in JSON, URLs, HTML,
base64, hexadecimal and ``repr``. :func:`install` replaces each of them in what a logging handler
formats, and before that in the record, for handlers that don't format; in tracebacks; and in
structlog's events. Nothing happens at import: an application, or its framework helper, calls it.
"""

from __future__ import annotations

import copy
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from logging import handlers
from types import TracebackType
from typing import Any, Final

from app_integration.observability.secret_registry import SecretRegistry, live
from app_integration.secret import REDACTED, Secret

__all__ = [
    "SecretRegistry",
    "install",
    "live",
    "scrub_record",
    "scrubbed",
    "sentry_options",
    "uninstall",
]

MAX_DEPTH: Final = 16  # levels of nested containers that are kept; what is deeper becomes text
#: What every record has; the rest of its attributes came with ``extra``.
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__)
_STANDARD: Final = _OWN | {"message", "asctime"}

#: An OSError's text is made of these, and not of its arguments.
_OS_ERRORS_OWN: Final = ("strerror", "filename", "filename2")

_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def scrubbed(value: Any, register: SecretRegistry = live, *, depth: int = MAX_DEPTH) -> Any:
    """*value* without live values: text and bytes, also inside dicts, lists, tuples and sets.

    What holds none comes back as it is; other objects always do.
    """
    if isinstance(value, Secret):  # a short one is in no register
        return REDACTED
    if isinstance(value, str):
        return register.scrub(value)
    if isinstance(value, bytes):
        text = value.decode(errors="surrogateescape")
        clean = register.scrub(text)
        return value if clean == text else clean.encode(errors="surrogateescape")
    if not isinstance(value, (dict, list, tuple, set, frozenset)):
        return value
    if depth:
        return _scrubbed_inside(value, register, depth - 1)
    clean = register.scrub(text := repr(value))
    return value if clean == text else clean


def _scrubbed_inside(value: Any, register: SecretRegistry, depth: int) -> Any:
    inner = [*value, *value.values()] if isinstance(value, dict) else list(value)
    clean = [scrubbed(each, register, depth=depth) for each in inner]
    if all(new is old for new, old in zip(clean, inner, strict=True)):
        return value
    if isinstance(value, dict):
        return dict(zip(clean[: len(value)], clean[len(value) :], strict=True))
    # A named tuple takes its fields one by one.
    return getattr(value, "_make", type(value))(clean)


def scrub_record(record: logging.LogRecord, register: SecretRegistry = live) -> None:
    """Take the live values out of *record*: message, extra fields, exception text and stack.

    A record that holds none is left as it is, arguments included.
    """
    fields = record.__dict__
    if type(message := record.msg) is str and not record.args:  # the common one, quickly
        record.msg = register.scrub(message)
    else:
        _scrub_message(record, register)
    if record.exc_text or record.stack_info:
        record.exc_text = scrubbed(record.exc_text, register)
        record.stack_info = scrubbed(record.stack_info, register)
    if len(fields) > len(_OWN):
        for name in fields.keys() - _STANDARD:
            fields[name] = scrubbed(fields[name], register)


def _shown(value: Any, register: SecretRegistry) -> Any:
    """*value* without live values; as text where only what it is shown as holds one."""
    clean = scrubbed(value, register)
    if clean is None or isinstance(clean, (str, int, float)):
        return clean
    text = repr(clean)
    return clean if (without := register.scrub(text)) == text else without


def _shown_record(record: logging.LogRecord, register: SecretRegistry) -> logging.LogRecord:
    """A copy of *record* for who takes its attributes and formats none: objects count as shown."""
    shown = copy.copy(record)
    for name in shown.__dict__.keys() - _STANDARD:
        shown.__dict__[name] = _shown(shown.__dict__[name], register)
    args = shown.args
    shown.msg = _shown(shown.msg, register)
    shown.args = tuple(_shown(each, register) for each in args) if isinstance(args, tuple) else args
    if isinstance(args, dict):
        shown.args = {name: _shown(each, register) for name, each in args.items()}
    return shown


def _scrub_message(record: logging.LogRecord, register: SecretRegistry) -> None:
    if isinstance(record.msg, (dict, list, tuple)):  # structured, as structlog sends it
        record.msg = scrubbed(record.msg, register)
        return
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 (a wrong format string is for logging to report, arguments and all)
        record.msg, record.args = scrubbed([record.msg, record.args], register)
        return
    if (clean := register.scrub(message)) != message:
        record.msg, record.args = clean, None


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
    """What handlers write: a formatter may show what no record tells of, such as an object."""

    def cover_text(format_: Any) -> Any:
        @wraps(format_)
        def format_and_scrub(self: logging.Handler, record: logging.LogRecord) -> Any:
            text = format_(self, record)
            return register.scrub(text) if type(text) is str else scrubbed(text, register)

        return format_and_scrub

    def cover_record(act: Any) -> Any:
        @wraps(act)
        def act_on_shown(self: logging.Handler, record: logging.LogRecord) -> Any:
            return act(self, _shown_record(record, register))

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
    _replace(sys, "excepthook", lambda before: _exception_hook(before, register))
    _replace(threading, "excepthook", lambda before: _thread_hook(before, register))
    _replace(sys, "unraisablehook", lambda before: _unraisable_hook(before, register))


def _exception_hook(previous: _Hook, register: SecretRegistry) -> _Hook:
    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if previous is sys.__excepthook__:
            _print("", error, register)
            return
        # Somebody else's hook prints or sends it: what it is given must hold nothing.
        _scrub_exception(error, register)
        previous(kind, error, trace)

    return hook


def _thread_hook(previous: Any, register: SecretRegistry) -> Any:
    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or args.exc_type is SystemExit:
            previous(args)
        elif previous is threading.__excepthook__:
            name = args.thread.name if args.thread else "?"
            _print(f"Exception in thread {name}:\n", args.exc_value, register)
        else:
            _scrub_exception(args.exc_value, register)
            previous(args)

    return hook


def _unraisable_hook(previous: Any, register: SecretRegistry) -> Any:
    def hook(args: Any) -> None:
        if args.exc_value is not None and previous is sys.__unraisablehook__:
            where = f"{args.err_msg or 'Exception ignored in'}: {args.object!r}\n"
            _print(where, args.exc_value, register)
            return
        if args.exc_value is not None:
            _scrub_exception(args.exc_value, register)
        previous(args)

    return hook


def _print(head: str, error: BaseException, register: SecretRegistry) -> None:
    if sys.stderr is not None:  # as where there is no console
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(register.scrub(f"{head}{text}"))


def _scrub_exception(error: BaseException, register: SecretRegistry) -> None:
    """Replace live values in arguments and notes of *error* and of all that led to it."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        each.args = scrubbed(each.args, register)
        for name in _OS_ERRORS_OWN if isinstance(each, OSError) else ():
            setattr(each, name, scrubbed(getattr(each, name), register))
        if notes := getattr(each, "__notes__", None):
            each.__notes__ = scrubbed(notes, register)
        waiting += [led for led in (each.__cause__, each.__context__) if led is not None]
        waiting += getattr(each, "exceptions", ())  # those of a group
