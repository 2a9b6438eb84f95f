"""Imports run downward only: between the floors, and inside ``vault``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

#: Each may import those to its left, and itself.
FLOORS = ["app_integration", "vault", "agent", "policies", "console"]
#: Package of vault → those of vault that it may import.
INSIDE_VAULT = {
    "declare": {"declare"},
    "runtime": {"runtime"},
    "reconcile": {"reconcile", "declare"},
    "rotate": {"rotate", "reconcile", "declare"},
    "audit": {"audit", "declare"},
}


def imports(file: Path) -> Iterator[str]:
    """Every module that *file* imports, at whatever depth."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_lower_floors(floor: str) -> None:
    above = set(FLOORS[FLOORS.index(floor) + 1 :]) | {"examples", "tests"}
    found = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files(floor)
        for name in imports(file)
        if name.split(".")[0] in above
    ]
    assert files(floor)
    assert found == []


def test_the_packages_inside_vault_keep_their_direction() -> None:
    found = []
    for package, allowed in INSIDE_VAULT.items():
        for file in files(f"vault/{package}"):
            for name in imports(file):
                parts = name.split(".")
                if parts[0] == "vault" and len(parts) > 1 and parts[1] not in allowed:
                    found.append(f"{file.relative_to(ROOT)} imports {name}")
    assert found == []


def test_the_example_uses_the_sdk_only() -> None:
    found = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files("examples")
        for name in imports(file)
        if name.split(".")[0] in {*FLOORS} - {"app_integration"}
    ]
    assert found == []
