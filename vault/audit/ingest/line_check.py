"""Cleaning pass: what of a range of a log is whole lines, and what is damaged.

DuckDB stops at the first damaged line, so a range that it refuses is read here, line by line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from vault.audit.archive.log_facts import MAX_LINE
from vault.audit.ingest.damage import Damage, Reason
from vault.audit.ingest.kind import Kind
from vault.reconcile.server_time import parse_time

# Each writer begins a line with the time. Within a line, a text is an HMAC or escapes its quotes.
_START: Final = re.compile(rb'\{"time":"\d{4}-')


@dataclass(frozen=True, slots=True)
class Line:
    """A whole object of a log, with the number and the offset of its line."""

    number: int
    offset: int
    data: bytes


@dataclass(slots=True)
class Cleaned:
    """What a cleaning pass found.

    Attributes:
        lines: Number of lines.
        blank: Number of lines with nothing but white space.
        rescued: Number of objects that were taken from damaged lines.
        good: The whole objects, the rescued ones included.
        damage: The damaged lines, at most one for each line.

    """

    lines: int = 0
    blank: int = 0
    rescued: int = 0
    good: list[Line] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)


def clean(file: BinaryIO, kind: Kind, first_line: int, offset: int) -> Cleaned:
    """Return what the rest of *file* has.

    Args:
        file: Ends with a newline, or with a last line that gets none any more.
        kind: The kind of the log.
        first_line: Number of the first line.
        offset: Offset of the first line in its log.

    """
    found = Cleaned()
    for data, size in _lines(file):
        _add(found, kind, Line(first_line + found.lines, offset, data), is_long=size > MAX_LINE)
        found.lines += 1
        offset += size
    return found


def find_damage(data: bytes, kind: Kind) -> Reason | None:
    """Return why *data* is no line of a log, None if it is one."""
    if b"\0" in data:
        return Reason.NUL
    try:
        document = json.loads(data.decode(), object_pairs_hook=_unique)
        # Not every escape in a text is a character, and DuckDB refuses the others.
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        return _describe(data.decode(), error)
    except UnicodeEncodeError:
        return Reason.MALFORMED
    except UnicodeDecodeError:
        return Reason.NOT_UTF8
    except (ValueError, RecursionError):
        return Reason.MALFORMED
    return _check(document, kind)


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each line without its newline, and its size with it. A long one is cut."""
    while data := file.readline(MAX_LINE + 2):
        size = len(data)
        more = data
        while more and not more.endswith(b"\n"):
            more = file.readline(MAX_LINE)
            size += len(more)
        yield data.removesuffix(b"\n"), size


def _add(found: Cleaned, kind: Kind, line: Line, *, is_long: bool) -> None:
    """Add a line to what was *found*."""
    if not line.data.strip():
        found.blank += 1
        return
    reason = Reason.TOO_LONG if is_long else find_damage(line.data, kind)
    if reason is None:
        found.good.append(line)
        return
    starts = [] if is_long else [each.start() for each in _START.finditer(line.data)]
    is_glued = len(starts) > 1 or bool(starts and starts[0])
    if is_glued:
        parts = [line.data[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
        whole = [part for part in parts if find_damage(part, kind) is None]
        found.good += (Line(line.number, line.offset, part) for part in whole)
        found.rescued += len(whole)
    if is_glued and reason in (Reason.TORN, Reason.MALFORMED):
        reason = Reason.GLUED
    found.damage.append(Damage(line.number, line.offset, reason))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, whose names must differ as DuckDB requires."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name that occurs twice")
    return found


def _describe(text: str, error: json.JSONDecodeError) -> Reason:
    """Return torn for a text that ends too early, else malformed."""
    is_open = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    is_cut = is_open or not text.endswith("}")
    is_object = text.lstrip().startswith("{") and error.msg != "Extra data"
    return Reason.TORN if is_object and is_cut else Reason.MALFORMED


def _check(document: object, kind: Kind) -> Reason | None:
    """Return what is wrong with a decoded line."""
    if not isinstance(document, dict):
        return Reason.WRONG_TYPE
    if document.get("time") is None:
        return Reason.NO_TIME
    if not kind.has_types(document):
        return Reason.WRONG_TYPE
    try:
        return None if parse_time(document["time"]) else Reason.NO_TIME
    except (ValueError, OverflowError):
        return Reason.NO_TIME
