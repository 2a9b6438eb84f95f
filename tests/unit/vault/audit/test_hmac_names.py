"""Names of a store of audit records: what is saved is loaded, and a damaged file is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from vault.audit.extra import import_extra
from vault.audit.hmac_names import FILE, Name, Names

NAME = Name("file", 0, "hmac-sha256:aa", "web-1")


def test_saved_names_are_loaded(tmp_path: Path) -> None:
    names = Names(tmp_path, {"file": ["probe"]}, {("file", NAME.hash): NAME})
    names.save()
    assert Names.load(tmp_path) == names


def test_new_store_has_no_names(tmp_path: Path) -> None:
    assert Names.load(tmp_path) == Names(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"names": [{"hash": "a"}], "epochs": {}}),
        json.dumps({"names": [], "epochs": 7}),
    ],
)
def test_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=r"has no names of a store; remove it") as caught:
        Names.load(tmp_path)
    assert str(tmp_path / FILE) in str(caught.value)


def test_file_of_a_newer_version_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 99}')
    with pytest.raises(ConfigurationError, match="has format 99, but this version reads"):
        Names.load(tmp_path)


def test_missing_package_of_the_extra_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"install the tool with its extra: strongroom\["):
        import_extra("no_such_package_of_the_extra")
