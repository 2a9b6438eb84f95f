"""Redaction of secret values in objects, log records and exceptions."""

from __future__ import annotations

import copy
import logging
from typing import Any, Final

from app_integration.observability.secret_registry import SecretRegistry, live
from app_integration.secret import REDACTED, Secret

MAX_DEPTH: Final = 16  # levels of nested containers; a deeper one with a secret becomes text
#: Attributes that logging itself sets on a record; all others come from ``extra``.
_STANDARD_ATTRIBUTES: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

#: Attributes that make up the text of an OSError, which does not use its arguments.
_OS_ERROR_ATTRIBUTES: Final = ("strerror", "filename", "filename2")


def scrubbed(value: Any, register: SecretRegistry = live, *, depth: int = MAX_DEPTH) -> Any:
    """Return *value* with registered secret values redacted.

    Covers text and bytes, also in dicts, lists, tuples and sets. An object of another type, or
    without a secret value, is returned unchanged.

    Args:
        value: The object.
        register: The registry of secret values.
        depth: The number of levels of nested containers that are rebuilt. A deeper container is
            replaced by its redacted ``repr`` if that holds a secret value.

    """
    if isinstance(value, Secret):  # because a short one is in no registry
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
        return _scrub_container(value, register, depth - 1)
    clean = register.scrub(text := repr(value))
    return value if clean == text else clean


def _scrub_container(value: Any, registry: SecretRegistry, depth: int) -> Any:
    inner = [*value, *value.values()] if isinstance(value, dict) else list(value)
    clean = [scrubbed(each, registry, depth=depth) for each in inner]
    if all(new is old for new, old in zip(clean, inner, strict=True)):
        return value
    if isinstance(value, dict):
        return dict(zip(clean[: len(value)], clean[len(value) :], strict=True))
    # A named tuple takes its fields as single arguments, so it needs `_make`.
    return getattr(value, "_make", type(value))(clean)


def scrub_record(record: logging.LogRecord, register: SecretRegistry = live) -> None:
    """Redact secret values in *record*: message, extra fields, exception text and stack.

    A record without a secret value stays unchanged, including its arguments.

    Args:
        record: The log record, which is changed in place.
        register: The registry of secret values.

    """
    fields = record.__dict__
    if type(message := record.msg) is str and not record.args:  # fast path for most records
        record.msg = register.scrub(message)
    else:
        _scrub_message(record, register)
    if record.exc_text or record.stack_info:
        record.exc_text = scrubbed(record.exc_text, register)
        record.stack_info = scrubbed(record.stack_info, register)
    if not _STANDARD_ATTRIBUTES.issuperset(fields):  # a fifth of the time of the difference
        for name in fields.keys() - _STANDARD_ATTRIBUTES:
            fields[name] = scrubbed(fields[name], register)


def _scrub_repr(value: Any, registry: SecretRegistry) -> Any:
    """Return *value* redacted, or as redacted text if its ``repr`` still shows a secret value."""
    clean = scrubbed(value, registry)
    if clean is None or isinstance(clean, (str, int, float)):
        return clean
    text = repr(clean)
    return clean if (redacted := registry.scrub(text)) == text else redacted


def scrubbed_copy(record: logging.LogRecord, registry: SecretRegistry) -> logging.LogRecord:
    """Return a redacted copy of *record* for a handler that uses attributes without formatting.

    Such a handler may write the ``repr`` of any object, so the ``repr`` counts.
    """
    result = copy.copy(record)
    for name in result.__dict__.keys() - _STANDARD_ATTRIBUTES:
        result.__dict__[name] = _scrub_repr(result.__dict__[name], registry)
    args = result.args
    result.msg = _scrub_repr(result.msg, registry)
    result.args = (
        tuple(_scrub_repr(each, registry) for each in args) if isinstance(args, tuple) else args
    )
    if isinstance(args, dict):
        result.args = {name: _scrub_repr(each, registry) for name, each in args.items()}
    return result


def _scrub_message(record: logging.LogRecord, registry: SecretRegistry) -> None:
    if isinstance(record.msg, (dict, list, tuple)):  # structured, as structlog sends it
        record.msg = scrubbed(record.msg, registry)
        return
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 (logging reports a wrong format string, with its arguments)
        record.msg, record.args = scrubbed([record.msg, record.args], registry)
        return
    if (clean := registry.scrub(message)) != message:
        record.msg, record.args = clean, None


def scrub_exception(error: BaseException, registry: SecretRegistry) -> None:
    """Redact secret values in arguments and notes of *error* and of its causes and contexts."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        each.args = scrubbed(each.args, registry)
        for name in _OS_ERROR_ATTRIBUTES if isinstance(each, OSError) else ():
            setattr(each, name, scrubbed(getattr(each, name), registry))
        if notes := getattr(each, "__notes__", None):
            each.__notes__ = scrubbed(notes, registry)
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
        waiting += getattr(each, "exceptions", ())  # the exceptions of a group
