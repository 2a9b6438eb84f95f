"""Cleaning pass: what of a range of a log is whole lines, and what is damaged.

DuckDB stops at the first damaged line, so a range that it refuses is read here, line by line. Of
each it then gets what the columns read, written again, so that nothing else can make it refuse one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from vault.audit.ingest.damage import Damage, Reason
from vault.audit.ingest.kind import Kind
from vault.audit.line import decode, read_lines, split_glued
from vault.reconcile.server_time import parse_time

# Python reads more forms of a time than DuckDB, which has nanoseconds from 1677 to 2262.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_YEARS: Final = range(1678, 2262)


@dataclass(frozen=True, slots=True)
class Line:
    """A whole object of a log, as DuckDB gets it, with the number and the offset of its line."""

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
    for data, size in read_lines(file):
        _add(found, kind, Line(first_line + found.lines, offset, data.removesuffix(b"\n")))
        found.lines += 1
        offset += size
    return found


def clean_line(data: bytes, kind: Kind) -> bytes | Reason:
    """Return what the columns read of a line, or why *data* is none."""
    if b"\0" in data:
        return Reason.NUL
    try:
        document = decode(data.decode(), _unique)
        reason = _check(document, kind)
        if reason is not None:
            return reason
        # Not every escape in a text is a character, and DuckDB refuses the others.
        return json.dumps(kind.reduce(document), ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        return _describe(data.decode(), error)
    except UnicodeDecodeError:
        return Reason.NOT_UTF8
    except (ValueError, RecursionError):
        return Reason.MALFORMED


def _add(found: Cleaned, kind: Kind, line: Line) -> None:
    """Add a line to what was *found*."""
    if not line.data.strip():
        found.blank += 1
        return
    cleaned = clean_line(line.data, kind)
    if isinstance(cleaned, bytes):
        found.good.append(Line(line.number, line.offset, cleaned))
        return
    reason, parts = cleaned, split_glued(line.data)
    is_glued = len(parts) > 1
    if is_glued:
        cleaned_parts = (clean_line(part, kind) for part in parts)
        whole = [part for part in cleaned_parts if isinstance(part, bytes)]
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
        time = parse_time(document["time"]) if _TIME.fullmatch(document["time"]) else None
    except (ValueError, OverflowError):
        time = None
    if time is None:
        return Reason.NO_TIME
    return None if time.year in _YEARS else Reason.WRONG_TYPE
