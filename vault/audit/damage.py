"""Damage of a log: where a line is not one, and why. Its content is never in a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Reason why a line, or the end of a log, was not read as it is."""

    TORN = "torn"
    GLUED = "glued"
    MALFORMED = "malformed"
    NOT_UTF8 = "not UTF-8"
    NO_TIME = "no time"
    WRONG_TYPE = "wrong type"
    #: Only in the index of an earlier release.
    TOO_LONG = "too long"
    NUL = "NUL bytes"
    #: The file ends within a compressed frame, or is shorter than what was read of it.
    CUT = "cut"
    #: An encrypted file is altered, or a part of it is missing.
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged line. *line* counts from 1; *offset* is its first byte in the log, decompressed."""

    line: int
    offset: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class NamedDamage:
    """A damaged line, and the file that has it."""

    file: str
    damage: Damage

    def __str__(self) -> str:
        """Return the file, the line, its offset and the reason."""
        found = self.damage
        return f"{self.file}: line {found.line} (byte {found.offset}): {found.reason}"
