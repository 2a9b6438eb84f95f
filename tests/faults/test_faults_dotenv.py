"""Tests of the exact messages for dotenv files with one fault each. No message has a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from vault.declare import load
from vault.dotenv import parse
from vault.dotenv.declared_variables import declared_variables
from vault.dotenv.plan import build_import_plan

FOLDER = Path(__file__).parent / "dotenv"
FILES = sorted(FOLDER.glob("*.env"))
DECLARATION = load.load(FOLDER / "declaration", template_root=FOLDER)
DECLARED = declared_variables(DECLARATION, Scope("shop", Environment.DEV))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_fault_is_reported_with_line_and_without_the_value(file: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_import_plan(parse.parse(Path(file.name), file.read_bytes()), DECLARED)
    assert str(caught.value) == file.with_suffix(".expected").read_text().rstrip("\n")
    assert "hunter" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_each_expected_message_belongs_to_a_file() -> None:
    assert {path.with_suffix(".env") for path in FOLDER.glob("*.expected")} == set(FILES)
    assert len(FILES) >= 20
