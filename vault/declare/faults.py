"""What is wrong with a declaration, and how it is said.

Every fault reads ``file:line: what (expected …; did you mean …?)``. A declaration holds no secret,
but someone may paste one where it doesn't belong, so a message shows a value only where the
schema wants a short text, and never text that looks like credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from app_integration.errors import ConfigurationError

#: Where a value stands: keys of mappings and indexes of lists, from the top of the file.
Loc = tuple[str | int, ...]

_CREDENTIALS = re.compile(r":[^@]*@", re.DOTALL)
_SHOWN = 40  # characters of a wrong value that a message repeats


class InvalidValue(ValueError):
    """What is wrong with one value, raised by the type of its field.

    The text is a predicate (``is 'ecrypt'``); whoever catches it knows the subject and the line.
    """

    def __init__(self, what: str, expected: str, near: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.near = near


@dataclass(frozen=True, slots=True)
class FieldError:
    """Something wrong at *loc*, whose line is shown; *subject* is what the sentence is about."""

    loc: Loc
    what: str
    expected: str
    near: str | None = None
    subject: Loc | None = None

    def __str__(self) -> str:
        subject = self.loc if self.subject is None else self.subject
        hint = f"; did you mean {self.near!r}?" if self.near else ""
        return f"{dotted(subject)} {self.what} (expected {self.expected}{hint})"


@dataclass(frozen=True, slots=True, order=True)
class FileError:
    """A problem in a file; *line* counts from 1, and is 0 when the file itself is the problem."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.text}"


class DeclarationError(ConfigurationError):
    """A declaration that can't be used; the message has one line for each fault."""

    def __init__(self, faults: Iterable[FileError]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def dotted(loc: Loc) -> str:
    """*loc* as people write it: ``keys.pii.allow[0]``; the top is "the file"."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".") or "the file"


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The name in *known* most like *name*, if one is like it at all."""
    matches = get_close_matches(str(name).lower(), sorted(known), n=1)
    return matches[0] if matches else None


def listed(names: Iterable[str], *, nothing: str = "none, as none is declared") -> str:
    """*names* as a phrase: ``a, b or c``; *nothing* when there are none."""
    *head, last = sorted(names) or [nothing]
    return f"{', '.join(head)} or {last}" if head else last


def kind(value: object) -> str:
    """What sort of thing *value* is, without showing it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, dict) else "a list"


def shown(value: object) -> str:
    """*value* for a message: short text and numbers as they are, all else by its kind."""
    if isinstance(value, str):
        if _CREDENTIALS.search(value):
            return "text that holds credentials"
        return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return kind(value)
