"""File that an agent renders from a template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """File that an agent renders from a template."""

    template: Path
    destination: Path
