"""Replace live secret values in objects, log records and exceptions."""

from __future__ import annotations

import copy
import logging
from typing import Any, Final

from app_integration.observability.secret_registry import SecretRegistry, live
from app_integration.secret import REDACTED, Secret

MAX_DEPTH: Final = 16  # levels of nested containers that are kept; what is deeper becomes text
#: Attributes that logging itself sets; all others came with ``extra``.
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

#: An OSError's text is made of these, and not of its arguments.
_OS_ERRORS_OWN: Final = ("strerror", "filename", "filename2")


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
    for name in fields.keys() - _STANDARD:
        fields[name] = scrubbed(fields[name], register)


def _shown(value: Any, register: SecretRegistry) -> Any:
    """*value* without live values; as text where only what it is shown as holds one."""
    clean = scrubbed(value, register)
    if clean is None or isinstance(clean, (str, int, float)):
        return clean
    text = repr(clean)
    return clean if (without := register.scrub(text)) == text else without


def shown_record(record: logging.LogRecord, register: SecretRegistry) -> logging.LogRecord:
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


def scrub_exception(error: BaseException, register: SecretRegistry) -> None:
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
