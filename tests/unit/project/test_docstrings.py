"""Hold the share of docstrings that open with a clause instead of a verb or a noun.

ruff checks the rest: imperative mood (D401), described arguments (D417), sections (D413).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.packages import PACKAGES

ROOT: Final = Path(__file__).parents[3]
FOLDERS: Final = (*PACKAGES, "benchmarks", "tests")
#: A docstring that opens with one of these is a clause without its sentence.
CLAUSES: Final = frozenset({"What", "Who", "Whom", "Whether", "As", "Of", "Where"})
#: Of all docstrings of functions.
MOST: Final = 0.02


def docstrings(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each function in *folder* as path:line, with its docstring."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def test_docstrings_rarely_open_with_a_clause() -> None:
    found = [each for name in FOLDERS for each in docstrings(ROOT / name)]
    clauses = [place for place, text in found if text.split()[0].strip(".,:*`") in CLAUSES]
    assert len(found) > 1000
    assert len(clauses) <= MOST * len(found), clauses
