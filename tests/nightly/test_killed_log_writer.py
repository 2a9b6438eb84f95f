"""Thirty kills of a process that logs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import pytest

from app_integration.observability.log_writer import LogPlace
from app_integration.testing.application import MemoryApplication
from tests.support.processes.killed_log_writer import check_killed, log_until_killed

pytestmark = pytest.mark.nightly

KILLS: Final = 30
SEED: Final = 20261127
LONGEST: Final = 0.3  # seconds


def test_thirty_kills_lose_at_most_the_record_under_way(
    vault: MemoryApplication, tmp_path: Path
) -> None:
    vault.make_key("audit")
    moments = random.Random(SEED)  # noqa: S311 (moments of kills, not keys)
    written = 0
    for number in range(KILLS):
        folder = tmp_path / f"logs-{number}"
        folder.mkdir()
        place = LogPlace(vault.scope, folder, "app")
        files = vault.client.files("audit")
        killed = log_until_killed(files, place, moments.uniform(0, LONGEST))
        check_killed(killed, folder)
        written += killed.written
    assert written > KILLS
