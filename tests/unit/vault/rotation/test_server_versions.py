"""Versions on the server, from its metadata: the newest first, each with what became of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app_integration.mounts import DEFAULT_MOUNTS
from tests.unit.vault.conftest import FixedResponses
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.server_versions import Version, VersionState, read_versions

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BORN = datetime(2026, 5, 1, tzinfo=UTC)
TIME = "2026-05-01T00:00:00Z"


def item(kind: Kind) -> Item:
    return Item(kind, "shop", "x", "x", 86_400, is_declared=True)


def read(kind: Kind, data: dict[str, Any] | None) -> tuple[Version, ...]:
    reader = FixedResponses({"secret/metadata/x": data, "transit/keys/x": data})
    return read_versions(reader, item(kind), DEFAULT_MOUNTS, NOW)


def kv(deletion_time: str = "", *, destroyed: bool = False) -> dict[str, Any]:
    return {"created_time": TIME, "deletion_time": deletion_time, "destroyed": destroyed}


def test_versions_of_a_secret_are_the_newest_first_with_their_states() -> None:
    tomorrow, past = "2026-06-02T00:00:00Z", "2026-05-31T00:00:00Z"
    versions = {"9": kv(), "10": kv(tomorrow), "8": kv(past), "7": kv(past, destroyed=True)}
    assert read(Kind.SECRET, {"current_version": 10, "versions": versions}) == (
        Version(10, BORN, VersionState.CURRENT, NOW + timedelta(days=1)),
        Version(9, BORN, VersionState.OLDER),
        Version(8, BORN, VersionState.DELETED, NOW - timedelta(days=1)),
        Version(7, BORN, VersionState.DESTROYED, NOW - timedelta(days=1)),
    )


def test_versions_of_a_key_below_the_least_one_decrypt_no_more() -> None:
    keys = {"1": BORN.timestamp(), "2": BORN.timestamp(), "3": {"creation_time": TIME}}
    found = read(Kind.KEY, {"latest_version": 3, "min_decryption_version": 2, "keys": keys})
    assert [(each.number, each.state, each.created) for each in found] == [
        (3, VersionState.CURRENT, BORN),
        (2, VersionState.OLDER, BORN),
        (1, VersionState.CLOSED, BORN),
    ]


@pytest.mark.parametrize("kind", [Kind.SECRET, Kind.USER_PAIR, Kind.KEY])
def test_absent_value_has_no_version(kind: Kind) -> None:
    assert read(kind, None) == ()


@pytest.mark.parametrize("kind", [Kind.STATIC_USER, Kind.SECRET_ID, Kind.INDEX_KEY, Kind.ROOT_USER])
def test_kind_without_versions_sends_no_request(kind: Kind) -> None:
    reader = FixedResponses({})
    assert (read_versions(reader, item(kind), DEFAULT_MOUNTS, NOW), reader.paths) == ((), [])
