"""Declarations with one fault each, and the exact message that each must give.

``declare/base`` is a declaration that holds. Each other folder of ``declare`` lays its few files
over it and says in ``expect`` what must come out.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import NoReturn

import pytest

from app_integration.errors import ConfigurationError
from vault.declare.faults import DeclarationError
from vault.declare.load import load

CORPUS = Path(__file__).parent / "declare"
BASE = CORPUS / "base"
CASES = sorted(path for path in CORPUS.iterdir() if path.is_dir() and path != BASE)


@pytest.fixture
def no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        pytest.fail("a faulty declaration led to a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_base_of_the_corpus_holds() -> None:
    assert load(BASE, BASE / "templates").service("shop").owner == "shop-team"


def test_the_corpus_is_not_empty() -> None:
    assert len(CASES) >= 24


@pytest.mark.usefixtures("no_request")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_refused_with_its_place_and_what_was_expected(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    shutil.copytree(case, tmp_path, dirs_exist_ok=True, ignore=lambda *_: ["expect"])
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DeclarationError) as caught:
        load(Path(), Path("templates"))

    assert isinstance(caught.value, ConfigurationError)
    assert str(caught.value) == (case / "expect").read_text().rstrip("\n")
    assert "hunter2" not in str(caught.value), "a pasted password is shown"
