"""Tests of the exact messages for declarations with one fault each.

``declare/base`` is a valid declaration. Each other folder of ``declare`` replaces a few of its
files, and contains the expected message in ``expect``.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import NoReturn

import pytest

from app_integration.errors import ConfigurationError
from vault.declare.errors import DeclarationError
from vault.declare.load import load

CORPUS = Path(__file__).parent / "declare"
BASE = CORPUS / "base"
CASES = sorted(path for path in CORPUS.iterdir() if path.is_dir() and path != BASE)


@pytest.fixture
def no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        pytest.fail("the check of an invalid declaration opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_base_declaration_is_valid() -> None:
    assert load(BASE, BASE / "templates").service("shop").owner == "shop-team"


def test_corpus_has_at_least_24_cases() -> None:
    assert len(CASES) >= 24


@pytest.mark.usefixtures("no_request")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault_is_reported_with_place_and_expected_value(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    shutil.copytree(case, tmp_path, dirs_exist_ok=True, ignore=lambda *_: ["expect"])
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DeclarationError) as caught:
        load(Path(), Path("templates"))

    assert isinstance(caught.value, ConfigurationError)
    assert str(caught.value) == (case / "expect").read_text().rstrip("\n")
    assert "hunter2" not in str(caught.value), "the message shows a pasted password"
