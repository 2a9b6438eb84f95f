"""Skeleton files: what is read of them, and what is refused before any request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.errors import ConfigRejected
from app_integration.rendering.document import Document
from app_integration.rendering.skeleton import Skeleton

VALID: Final[dict[str, Any]] = {
    "format": 1,
    "service": "parcels",
    "environment": "prod",
    "template": "templates/parcels/app.yaml.j2",
    "file": "app.yaml",
    "pieces": ["a: ", {"line": 1, "secret": "key"}, "\n"],
}


def parse(**change: Any) -> Skeleton:
    return Skeleton.parse(json.dumps({**VALID, **change}).encode(), "app.skeleton.json")


def test_valid_skeleton_names_its_secrets_with_their_first_lines() -> None:
    pieces = [{"line": 2, "secret": "key"}, {"line": 3, "url": ["x://", {"secret": "key"}, ""]}]
    assert parse(pieces=[*VALID["pieces"], *pieces]).lines == {"key": 1}


@pytest.mark.parametrize(
    ("slot", "what"),
    [
        ({"line": 7, "secret": "key", "user": "static"}, "user"),
        ({"line": 7, "pki": "issue/web"}, "pki"),
        ({"line": 7, "url": [{"secret": "key", "lease": "1h"}]}, "lease"),
        ({"line": 7}, "a value without a secret"),
    ],
)
def test_value_that_only_an_agent_renders_is_refused_with_its_line(
    slot: dict[str, Any], what: str
) -> None:
    with pytest.raises(ConfigRejected) as caught:
        parse(pieces=[slot])
    start = f"templates/parcels/app.yaml.j2:7: the SDK cannot render {what}, which an agent can"
    assert str(caught.value).startswith(start)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "has format 2, but this version reads 1; install a newer strongroom-sdk"),
        ({"service": "../x"}, "is no skeleton"),
        ({"environment": None}, "is no skeleton"),
        ({"pieces": [{"line": "1", "secret": "key"}]}, "is no skeleton"),
        ({"pieces": [{"line": 1, "secret": "../key"}]}, "is no skeleton"),
        ({"pieces": ["a: \ud800\n"]}, "is no skeleton"),
        ({"pieces": [{"line": 1, "url": ["\ud800", {"secret": "key"}]}]}, "is no skeleton"),
        ({"pieces": [7]}, "is no skeleton"),
        ({"pieces": 7}, "is no skeleton"),
    ],
)
def test_invalid_skeleton_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigRejected, match=reason):
        parse(**change)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigRejected, match="is no skeleton"):
        Skeleton.parse(content, "app.skeleton.json")


def test_missing_key_and_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigRejected, match="the key 'file' is missing"):
        Skeleton.parse(
            json.dumps({key: VALID[key] for key in VALID if key != "file"}).encode(), "o"
        )
    with pytest.raises(ConfigRejected, match="cannot be read: No such file"):
        Skeleton.read(tmp_path / "none")


@pytest.mark.parametrize(
    "change",
    [
        {"pieces": ["a: [", {"line": 1, "secret": "key"}, "\n"]},
        {"pieces": ["a: &a [*a]\nb: ", {"line": 2, "secret": "key"}, "\n"]},
        {"file": "app.ini"},
    ],
)
def test_skeleton_that_is_no_document_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigRejected, match=r"is no document|no known format"):
        Document(parse(**change))
