"""Tests of units, which ``make test-unit`` runs, start no server."""

from __future__ import annotations

import re
from pathlib import Path

UNIT = Path(__file__).parents[1]
#: The marker of tests with real servers, and the fixtures of the shared deployment.
NEEDS_SERVER = re.compile(r'requires\("embedded"\)|\b(deployment: Deployment|running_servers)\b')


def test_no_unit_test_needs_a_server() -> None:
    files = sorted({*UNIT.rglob("test_*.py")} - {Path(__file__)})
    assert len(files) > 300
    assert [path.name for path in files if NEEDS_SERVER.search(path.read_text("utf-8"))] == []
