"""Jinja templates of pages: autoescaped, strict, with the shared macros."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.views.cells import Badge, Bars, Diff, Link, Mark, Note
from console.views.escapes import escape_unprintable
from console.views.times import show_date, show_distance, show_seconds

#: Test of a template → the kind of a cell that passes it.
_KINDS: Final = {
    "moment": datetime,
    "badge": Badge,
    "bars": Bars,
    "diff": Diff,
    "link": Link,
    "mark": Mark,
    "note": Note,
}
_FOLDER: Final = Path(__file__).parent


def create_environment(folder: Path) -> Environment:
    """Return the environment of the templates in *folder*, which can import the shared macros.

    Names of a log or a server may have any characters, so that they are escaped.
    """
    found = Environment(
        loader=FileSystemLoader((folder, _FOLDER)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_finalize,
    )
    found.filters |= {"date": show_date, "distance": show_distance, "seconds": show_seconds}
    found.tests |= {name: _build_test(kind) for name, kind in _KINDS.items()}
    return found


def _build_test(kind: type) -> Callable[[object], bool]:
    return lambda cell: isinstance(cell, kind)


def _finalize(value: Any) -> Any:
    is_plain = isinstance(value, str) and not isinstance(value, Markup)
    return escape_unprintable(value, keep="\n") if is_plain else value


def read_theme() -> str:
    """Return the shared stylesheet."""
    return (_FOLDER / "theme.css").read_text(encoding="utf-8")
