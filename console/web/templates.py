"""Jinja templates of pages: autoescaped, strict, with the shared macros."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER: Final = Path(__file__).parent


def create_environment(folder: Path) -> Environment:
    """Return the environment of the templates in *folder*, which can import the shared macros."""
    return Environment(
        loader=FileSystemLoader((folder, _FOLDER)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def read_theme() -> str:
    """Return the shared stylesheet."""
    return (_FOLDER / "theme.css").read_text(encoding="utf-8")
