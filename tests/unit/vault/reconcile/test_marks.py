"""Marks in an object itself, and the names that a deployment's id leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.declare.server_names import DEFAULT_DEPLOYMENT, JOBS, own_names, server_name
from vault.reconcile.resources.marks import (
    UnreadableMark,
    describe,
    described_owner,
    mark,
    metadata_owner,
    read_mark,
    strip_mark,
)

IDS = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)


@given(IDS, st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_mark_is_read_from_any_text_and_removed_without_a_trace(deployment: str, text: str) -> None:
    without = strip_mark(text)
    marked = f"{mark(deployment)}\n{without}"
    assert read_mark(marked, "policy a") == deployment
    assert strip_mark(marked) == without


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# by hand",
        'path "a" {}  # managed_by=strongroom deployment=x',
        "# managed_by=terraform deployment=x",
        "# managed_by=strongroom deployment=X",
    ],
)
def test_text_without_a_mark_has_no_owner(text: str) -> None:
    assert read_mark(text, "policy a") is None
    assert strip_mark(text) == text


def test_mark_below_other_comments_is_found() -> None:
    assert read_mark(f"# reviewed\n{mark('shop')}\npath", "policy a") == "shop"


@given(IDS)
def test_description_of_a_mount_names_its_owner(deployment: str) -> None:
    assert described_owner(describe("people", deployment), "people") == deployment
    assert described_owner(describe("people", deployment), "services") is None


def test_description_of_the_default_deployment_is_unchanged() -> None:
    assert describe("people", DEFAULT_DEPLOYMENT) == "people"
    assert described_owner("", "people") is None


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        (None, None),
        ({}, None),
        ({"deployment": "x"}, None),
        ({"managed_by": "strongroom", "deployment": "x"}, "x"),
        ({"managed_by": "strongroom"}, None),
    ],
)
def test_owner_of_a_group_is_in_its_metadata(
    metadata: dict[str, str] | None, owner: str | None
) -> None:
    assert metadata_owner(metadata, "group a") == owner


def test_names_of_the_default_deployment_are_those_of_a_server_with_one() -> None:
    assert [server_name(DEFAULT_DEPLOYMENT, job) for job in JOBS] == list(JOBS)
    assert "developer" in own_names(DEFAULT_DEPLOYMENT)


def test_names_of_another_deployment_begin_with_its_id() -> None:
    assert own_names("shop") == (
        "shop-plan",
        "shop-apply",
        "shop-rotator",
        "shop-auditor",
        "shop-fingerprint",
        "shop-developer",
        "shop-break-glass",
    )


def test_mark_of_a_newer_format_is_refused_and_not_taken_for_no_mark() -> None:
    text = f"{mark('shop')} managed_format=2\npath"
    with pytest.raises(UnreadableMark) as caught:
        read_mark(text, "policy shop-dev")
    assert str(caught.value) == (
        "policy shop-dev: its ownership mark has format 2, but this version reads 1; install a "
        "newer strongroom. Nothing was written"
    )
    assert strip_mark(text) == "path"
    newer = {"managed_by": "strongroom", "deployment": "x", "managed_format": "2"}
    with pytest.raises(UnreadableMark, match=r"^group people: its ownership mark has format 2, "):
        metadata_owner(newer, "group people")


def test_mark_with_the_number_of_its_format_is_read() -> None:
    assert read_mark(f"{mark('shop')} managed_format=1\npath", "policy a") == "shop"
    first = {"managed_by": "strongroom", "deployment": "x", "managed_format": "1"}
    assert metadata_owner(first, "group a") == "x"
