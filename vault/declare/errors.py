"""Errors of a declaration, and the format of their messages.

Every message reads ``file:line: what (expected …; did you mean …?)``. A declaration contains no
secret, but an operator may paste one by mistake. So a message shows a value only where the schema
expects short text, and never text that looks like credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from app_integration.errors import ConfigurationError

#: Location of a value: keys of mappings and indexes of lists, from the top of the file.
Loc = tuple[str | int, ...]

_CREDENTIALS = re.compile(r":[^@]*@", re.DOTALL)
_MAX_SHOWN = 40  # characters of an invalid value that a message repeats


class InvalidValue(ValueError):
    """An invalid value of one field, raised by the type of the field.

    The message is a predicate (``is 'ecrypt'``). The caller that catches it adds the subject and
    the line.
    """

    def __init__(self, what: str, expected: str, near: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.near = near


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error at one location of a file.

    *what* is a predicate, *near* a valid value that was probably meant, and *subject* stands for
    *loc* in the sentence, if it is not None.
    """

    loc: Loc
    what: str
    expected: str
    near: str | None = None
    subject: Loc | None = None

    def __str__(self) -> str:
        subject = self.loc if self.subject is None else self.subject
        hint = f"; did you mean {self.near!r}?" if self.near else ""
        return f"{format_location(subject)} {self.what} (expected {self.expected}{hint})"


@dataclass(frozen=True, slots=True, order=True)
class FileError:
    """An error in a file; *line* counts from 1, and is 0 if the error concerns the whole file."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.text}"


class DeclarationError(ConfigurationError):
    """An invalid declaration. The message has one line for each error, sorted by file and line."""

    def __init__(self, errors: Iterable[FileError]) -> None:
        self.errors = tuple(sorted(errors))
        super().__init__("\n".join(str(error) for error in self.errors))


def format_location(loc: Loc) -> str:
    """Return *loc* as text such as ``keys.pii.allow[0]``, or "the file" for the top."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".") or "the file"


def suggest(name: object, known: Iterable[str]) -> str | None:
    """Return the name in *known* that is most similar to *name*, or None if none is similar."""
    matches = get_close_matches(str(name).lower(), sorted(known), n=1)
    return matches[0] if matches else None


def join_names(names: Iterable[str], *, nothing: str = "none, as none is declared") -> str:
    """Return the sorted *names* as a phrase such as ``a, b or c``."""
    *head, last = sorted(names) or [nothing]
    return f"{', '.join(head)} or {last}" if head else last


def hint_names(name: object, known: Iterable[str]) -> str:
    """Return the part of an error that names the most similar of *known*, or else all of them."""
    known = list(known)
    near = suggest(name, known)
    return f"; did you mean {near!r}?" if near else f" (expected {join_names(known)})"


def describe_type(value: object) -> str:
    """Return the type of *value* in words, such as "text", without showing the value.

    Booleans are the exception: their two values contain nothing confidential.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, dict) else "a list"


def format_value(value: object) -> str:
    """Return *value* for a message: numbers and text of limited length, else the type in words.

    Text that looks like credentials is not shown.
    """
    if isinstance(value, str):
        if _CREDENTIALS.search(value):
            return "text that contains credentials"
        return repr(value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}…")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return describe_type(value)
