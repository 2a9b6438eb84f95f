"""The question of ``import-env`` for the kind of a variable."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from console.commands.start.env_files import EnvFiles
from console.target.target import open_target


@pytest.mark.parametrize(
    ("typed", "kind"),
    [("s", "secret"), ("t", "setting"), ("k", "skip"), ("setting", "setting"), ("x\nk", "skip")],
)
def test_question_takes_a_letter_or_the_word(
    monkeypatch: pytest.MonkeyPatch, typed: str, kind: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    files = EnvFiles(open_target(), "labels", Console(file=io.StringIO()))
    assert files.ask_kind("ODD", "its value looks random") == kind
