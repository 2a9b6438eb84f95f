"""Grammar of a log's line: one verdict on its bytes for all readers, and what it says.

A line is an object of JSON, in UTF-8, with a time and fields of the types that columns have. Of a
name that occurs twice the last value counts, as JSON parsers have it. A full disk leaves a torn
line, to which the next one is glued: the whole parts of such a line are read, and the line is
damaged.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO, Final, TypeAlias

from pydantic_core import SchemaValidator, ValidationError

from vault.audit.damage import Reason
from vault.audit.field_type import FieldType, object_schema, outline, sql_type
from vault.audit.line_cutter import CHUNK, LineCutter

#: Bytes of the longest line that is not cut. A response with a thousand keys has 80 kB.
MAX_LINE: Final = 16 * 2**20
_DIGITS: Final = 30

#: Form of a time, for SQL too: DuckDB and Python each read further ones, which differ. DuckDB has
#: nanoseconds from 1677 to 2262.
TIME: Final = (
    r"(?:167[89]|16[89][0-9]|1[7-9][0-9][0-9]|2[01][0-9][0-9]|22[0-5][0-9]|226[01])-[0-9]{2}-[0-9]{2}"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?P<decimals>\.[0-9]{1,9})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_TIME: Final = re.compile(TIME)

#: The start of a line, which each writer begins with the time.
_START: Final = re.compile(rb'\{"time":"\d{4}-[^"\\{]{1,40}"')
#: Within a line, what a client has sent may begin so, too, but after one of these: a text escapes
#: its quotes.
_MARKS: Final = (b":", b",", b"[")
_MAX_TRIED: Final = 100

_REASONS: Final = {UnicodeDecodeError: Reason.NOT_UTF8, ValidationError: Reason.WRONG_TYPE}
# Of what DuckDB takes, Python refuses a comma too many, and words for numbers in other spellings.
# Texts stay, also one that is torn: else each escaped quote in it would begin a search to the end.
_LAX: Final = re.compile(
    r'("[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z))'
    r'|(?<=[\w}\]"])\s*,(?=\s*[}\]])|(-?\b(?i:nan|inf(?:inity)?)\b)',
    re.DOTALL,
)

#: What a line says: the value of each field that columns read, by its name.
Event: TypeAlias = dict[str, Any]
#: What a line is: its events, of a damaged one those of its whole parts, and why it is damaged.
Verdict: TypeAlias = tuple[list[Event], Reason | None]


class Grammar:
    """Grammar of the lines of one kind of log."""

    def __init__(self, fields: Mapping[str, FieldType], required: tuple[str, ...]) -> None:
        self.required = required
        self.columns = {name: sql_type(kind) for name, kind in fields.items()}
        few = outline(fields, {*required, "path"})
        self._outline = SchemaValidator(object_schema(few, required, is_strict=True))
        self._strict = SchemaValidator(object_schema(fields, required, is_strict=True))
        self._lax = SchemaValidator(object_schema(fields, required, is_strict=False))

    def judge(self, line: bytes) -> Verdict:
        """Return the verdict on *line*, with its newline or without; of a blank one, neither."""
        if not line.strip():
            return [], None
        found = self._read(line)
        if not isinstance(found, Reason):
            return [found], None
        parts = split_glued(line)
        events = [each for each in map(self._read, parts) if not isinstance(each, Reason)]
        is_glued = len(parts) > 1 and found in (Reason.TORN, Reason.MALFORMED)
        return events, Reason.GLUED if is_glued else found

    def glance(self, line: bytes) -> Event | None:
        """Return the required fields and the path of the request, in half the time.

        A line is whole if it returns them and their time is one. It returns None for some whole
        lines, too.
        """
        try:
            found: Event = self._outline.validate_json(line)
        except ValidationError:
            return None
        return found

    def _read(self, line: bytes) -> Event | Reason:
        with suppress(ValidationError):
            found: Event = self._strict.validate_json(line)
            if found["time"].endswith("Z") and parse_time(found["time"]):
                return found
        if b"\0" in line:
            return Reason.NUL
        try:
            return self._check(decode(line.strip().decode("utf-8-sig")))
        except (ValueError, RecursionError) as error:
            return _describe(error)

    def _check(self, document: Any) -> Event | Reason:
        """Return what a decoded line says, or the error of its time."""
        if isinstance(document, dict) and document.get("time") is None:
            return Reason.NO_TIME
        event: Event = self._lax.validate_python(document)
        form, time = _TIME.fullmatch(event["time"]), parse_time(event["time"])
        if form is None or time is None:
            is_text = isinstance(document["time"], str)
            is_other_year = form is None and _TIME.fullmatch(f"2000{event['time'][4:]}")
            return Reason.NO_TIME if is_text and not is_other_year else Reason.WRONG_TYPE
        return event | {"time": f"{time:%Y-%m-%dT%H:%M:%S}{form['decimals'] or ''}Z"}


def parse_time(text: str) -> datetime | None:
    """Return the time *text* in UTC, cut to microseconds, None if a line can have no such."""
    if not _TIME.fullmatch(text):
        return None
    try:
        time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # An offset may lead out of the years.
    return time if _TIME.match(f"{time:%Y-%m-%dT%H:%M:%SZ}") else None


def select_time(field: str) -> str:
    """Return the SQL of what :func:`parse_time` returns of a *field*."""
    # A cast to TIMESTAMP would ignore the offset.
    time = f"make_timestamp(epoch_us(TRY_CAST({field} AS TIMESTAMPTZ)))"
    return (
        f"CASE WHEN regexp_full_match({field}, '{TIME}') AND year({time}) BETWEEN 1678 AND 2261"
        f" THEN {time} END"
    )


def read_lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each line of *file*, cut if it is long, and its size before that.

    The last one has no newline, if the file has none there.
    """
    while data := file.readline(MAX_LINE):
        size = len(data)
        if size == MAX_LINE and not data.endswith(b"\n"):
            cutter = LineCutter()
            cutter.feed(data)
            while data and not data.endswith(b"\n"):
                data = file.readline(CHUNK)
                cutter.feed(data)
                size += len(data)
            data = cutter.end().rstrip(b"\n") + data[-1:]
        yield data, size


def split_glued(line: bytes) -> list[bytes]:
    """Return a torn line and those that are glued to it, or *line* alone."""
    starts = [each.start() for each in _START.finditer(line, 1)]
    cuts = [at for at in starts if line[at - 1 : at] not in _MARKS]
    if not cuts:
        # Torn at a mark. More of the line follows what a client has sent, and nothing this one.
        cuts = [at for at in starts[:_MAX_TRIED] if _is_whole(line[at:])][:1]
    return [line[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]


def _is_whole(line: bytes) -> bool:
    try:
        decode(line.decode())
    except (ValueError, RecursionError):
        return False
    return True


def decode(text: str) -> Any:
    """Return the value of a line, and raise a ValueError if it is no JSON."""
    try:
        return _load(text)
    except RecursionError:
        cutter = LineCutter()
        cutter.feed(text.encode())
        return _load(cutter.end().decode())


def _load(text: str) -> Any:
    read = partial(json.loads, parse_int=_number, parse_float=_number, parse_constant=str)
    try:
        found = read(text)
    except json.JSONDecodeError as error:
        kept = _LAX.sub(lambda each: each[1] or (f'"{each[2]}"' if each[2] else ""), text)
        if kept == text:
            raise
        try:
            found = read(kept)
        except json.JSONDecodeError:
            raise error from None
    json.dumps(found, ensure_ascii=False).encode()  # because not every escape is a character
    return found


def _number(text: str) -> float | str:
    """Return a number; its text if it is infinite or has many digits, which ``int`` rejects."""
    if text.lstrip("-").isdigit():
        return int(text) if len(text) < _DIGITS else text
    return text if math.isinf(found := float(text)) else found


def _describe(error: Exception) -> Reason:
    """Return the reason of an error: torn for a text that ends too early."""
    if not isinstance(error, json.JSONDecodeError):
        return _REASONS.get(type(error), Reason.MALFORMED)
    text = error.doc
    is_open = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    is_cut = is_open or not text.endswith("}")
    is_object = text.lstrip().startswith("{") and error.msg != "Extra data"
    return Reason.TORN if is_object and is_cut else Reason.MALFORMED
