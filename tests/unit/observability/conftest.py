"""Fixtures of the tests of encrypted logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.testing.application import MemoryApplication


@pytest.fixture
def files(vault: MemoryApplication) -> FileCipher:
    """Return the cipher with the service's key ``audit``, which exists."""
    vault.make_key("audit")
    return vault.client.files("audit")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder for files of logs."""
    path = tmp_path / "logs"
    path.mkdir()
    return path
