"""Process that is killed while it logs: it loses at most the record under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.observability.log_writer import LogPlace
from app_integration.testing.application import MemoryApplication
from tests.support.processes.killed_log_writer import check_killed, log_until_killed


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.01, 0.02, 0.05])
def test_killed_writer_loses_at_most_the_record_under_way(
    vault: MemoryApplication, files: FileCipher, folder: Path, seconds: float
) -> None:
    place = LogPlace(vault.scope, folder, "app")
    check_killed(log_until_killed(files, place, seconds), folder)
