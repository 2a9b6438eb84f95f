"""Operator-provided values in files: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from vault.reconcile.inputs import Inputs

PATH = "secret/shop/prod/token"


def write(folder: Path, content: bytes) -> Path:
    file = folder / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def test_value_is_read_without_one_final_line_break(tmp_path: Path) -> None:
    write(tmp_path, b"two\nlines\n\n")
    assert Inputs(folder=tmp_path).get(PATH) == "two\nlines\n"
    assert Inputs(folder=tmp_path).get(f"{PATH}-2") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"tok\xff", "is not UTF-8 text")],
)
def test_file_without_a_value_is_refused_by_its_name(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = write(tmp_path, content)
    with pytest.raises(
        ConfigurationError, match=rf"{file} {reason}; write the value to it"
    ) as error:
        Inputs(folder=tmp_path).get(PATH)
    assert error.value.__cause__ is None
