"""Removal of folders and changes of modes: in the modules that are listed only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.packages import PRODUCT

ROOT = Path(__file__).parents[3]
#: Modules that call it, each on a path that no option names, or that was checked.
CALLERS = {
    r"\brmtree\(": {
        "backup/temporary_folder.py",  # a folder that it made, with a random name
        "vault/owned_folder.py",
        "local/servers/postgres.py",  # that of the next one
        "local/servers/postgres_home.py",  # root's folder in /var/lib
    },
    r"\.chmod\(": {
        "vault/dotenv/swap.py",  # a file that it made
        "vault/owned_folder.py",
        "local/files.py",  # a folder in a local deployment
        "local/servers/postgres_home.py",
    },
}


@pytest.mark.parametrize("call", CALLERS)
def test_folders_are_removed_and_get_modes_in_few_modules(call: str) -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in PRODUCT
        for path in (ROOT / package).rglob("*.py")
        if re.search(call, path.read_text(encoding="utf-8"))
    }
    assert found == CALLERS[call]
