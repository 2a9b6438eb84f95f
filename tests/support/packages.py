"""Packages of the product, as the import contracts list them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).parents[2] / "pyproject.toml"
#: All of them, with the examples.
PACKAGES: Final[tuple[str, ...]] = tuple(
    tomllib.loads(_FILE.read_text(encoding="utf-8"))["tool"]["importlinter"]["root_packages"]
)
#: What runs for a team.
PRODUCT: Final = tuple(name for name in PACKAGES if name != "examples")
