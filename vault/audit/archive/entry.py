"""Entries of the chain: a segment of a log, and a deletion of segments that were kept long enough.

Each entry has the hash of the one before it. The rendering is canonical, so that an entry is its
line: whatever is parsed renders to the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from app_integration._internal import formats
from app_integration.encryption.files.log_context import check_log_name
from app_integration.encryption.tokens.encryption_context import ContextValue
from app_integration.errors import StrongroomError
from vault.audit.archive.log_facts import LogFacts

SUFFIX: Final = ".jsonl.zst.encrypted"
#: Hash that the first entry has as that of the entry before it.
NO_ENTRY: Final = "0" * 64
_KIND: Final = "audit segment"
_STAMP: Final = "%Y%m%dT%H%M%S.%fZ"
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_MALFORMED: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    StrongroomError,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """Log of one device from one rotation to the next, in an encrypted file.

    *digest* is the SHA-256 of that file without its recipients, and *size* its bytes.
    """

    sequence: int
    previous: str
    log: str
    rotated: datetime
    facts: LogFacts
    size: int = 0
    digest: str = NO_ENTRY

    @property
    def file(self) -> str:
        """Return the name of its file, such as ``audit-1-20261128T023000.000000Z.jsonl….``."""
        return f"{self.log}-{render_stamp(self.rotated)}{SUFFIX}"

    @property
    def newest(self) -> datetime:
        """Return the time of its last line, or of its rotation if no line has a time."""
        return self.facts.last or self.rotated

    def context(self) -> dict[str, ContextValue]:
        """Return the context of its file, without the service and environment of the cipher.

        All that is known before the encryption is in it, so that who decrypts the file knows its
        place in the chain.
        """
        times = {"first": self.facts.first, "last": self.facts.last}
        return {
            "of": _KIND,
            "sequence": self.sequence,
            "previous": bytes.fromhex(self.previous),
            "log": self.log,
            "rotated": render_time(self.rotated),
            "sha256": bytes.fromhex(self.facts.sha256),
            "bytes": self.facts.size,
            "lines": self.facts.lines,
            **{name: render_time(time) for name, time in times.items() if time is not None},
        }

    def render(self) -> bytes:
        """Return its line in the chain, without the end."""
        facts = self.facts
        return _render(
            {
                **_position(self, "segment"),
                "log": self.log,
                "rotated": render_time(self.rotated),
                "sha256": facts.sha256,
                "bytes": facts.size,
                "lines": facts.lines,
                "first": facts.first and render_time(facts.first),
                "last": facts.last and render_time(facts.last),
                "file_bytes": self.size,
                "file_sha256": self.digest,
            }
        )


@dataclass(frozen=True, slots=True)
class Deletion:
    """Deletion of segments that were kept long enough."""

    sequence: int
    previous: str
    time: datetime
    keep_days: int
    segments: tuple[int, ...]

    def render(self) -> bytes:
        """Return its line in the chain, without the end."""
        return _render(
            {
                **_position(self, "deletion"),
                "time": render_time(self.time),
                "keep_days": self.keep_days,
                "segments": list(self.segments),
            }
        )


Entry: TypeAlias = Segment | Deletion


def hash_entry(entry: Entry) -> str:
    """Return the hash that the entry after *entry* has."""
    return hashlib.sha256(entry.render()).hexdigest()


def parse_entry(line: bytes) -> Entry:
    """Return the entry that *line* is."""
    try:
        value = json.loads(line)
        refusal = formats.AUDIT_CHAIN.describe_refusal(value["format"])
        entry = _KINDS[value["kind"]](value) if refusal is None else None
    except _MALFORMED:
        raise ValueError("is no entry; it was altered or cut") from None
    if entry is None or entry.render() != line:
        raise ValueError(refusal or "is altered: the tool writes such an entry in another way")
    return entry


def _segment(value: Mapping[str, Any]) -> Segment:
    first, last = (value[name] and parse_time(value[name]) for name in ("first", "last"))
    sizes = _natural(value["bytes"]), _natural(value["lines"])
    facts = LogFacts(_hash(value["sha256"]), *sizes, first, last)
    return Segment(
        _natural(value["sequence"]),
        _hash(value["previous"]),
        check_log_name(value["log"]),
        parse_time(value["rotated"]),
        facts,
        _natural(value["file_bytes"]),
        _hash(value["file_sha256"]),
    )


def _deletion(value: Mapping[str, Any]) -> Deletion:
    return Deletion(
        _natural(value["sequence"]),
        _hash(value["previous"]),
        parse_time(value["time"]),
        _natural(value["keep_days"]),
        tuple(_natural(each) for each in value["segments"]),
    )


_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Entry]]] = {
    "segment": _segment,
    "deletion": _deletion,
}


def _position(entry: Entry, kind: str) -> dict[str, Any]:
    return {
        "format": formats.AUDIT_CHAIN.current,
        "kind": kind,
        "sequence": entry.sequence,
        "previous": entry.previous,
    }


def _render(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _natural(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _hash(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise ValueError
    return value


def render_time(moment: datetime) -> str:
    """Return *moment* in UTC, with microseconds."""
    # strftime does not pad the year.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """Return the time that :func:`render_time` returned *text* for."""
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def render_stamp(moment: datetime) -> str:
    """Return *moment* in UTC as a part of a file's name."""
    return moment.astimezone(UTC).strftime(_STAMP)


def parse_stamp(text: str) -> datetime:
    """Return the time that :func:`render_stamp` returned *text* for."""
    return datetime.strptime(text, _STAMP).replace(tzinfo=UTC)
