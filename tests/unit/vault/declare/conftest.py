"""A declaration that a test may change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.vault.conftest import BASE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a copy of the valid declaration of tests/faults, in a folder of its own."""
    return Path(shutil.copytree(BASE, tmp_path / "team"))
