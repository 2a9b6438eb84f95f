"""Rewrapping of index keys: all rows of an index or none, while others change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from app_integration.encryption.blind_index.rewrap import rewrap_index_keys
from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.errors import KeyUnavailable
from tests.support.models.index_parts import ROWS, SHOP, KeyService, World

INDEX = "users.email"


class VersionedService(KeyService):
    """A key service whose key was rotated after the keys in *old* were wrapped."""

    def __init__(self) -> None:
        super().__init__()
        self.old: set[bytes] = set()

    def rotate(self) -> None:
        self.old = {*self.known}

    def version(self, wrapped: bytes) -> int:
        return 1 if wrapped in self.old else 2


@pytest.fixture
def service() -> VersionedService:
    return VersionedService()


@pytest.fixture
def world(service: VersionedService) -> World:
    return World(service)


def test_rewrapped_versions_give_the_same_index_values(
    world: World, service: VersionedService
) -> None:
    index = world.process().index(INDEX, rows=ROWS)
    index.rotate()
    before = index.candidates("ada@example.com")
    service.rotate()
    rows = rewrap_index_keys(service, world.rows, SHOP, INDEX)
    assert [service.version(row.wrapped) for row in rows] == [2, 2]
    assert rows == world.rows.versions("shop/prod", INDEX)
    other = world.process_without_keys().index(INDEX, rows=ROWS)
    assert other.candidates("ada@example.com") == before
    assert rewrap_index_keys(service, world.rows, SHOP, INDEX) == rows


def test_altered_row_stops_the_rewrap_and_changes_nothing(
    world: World, service: VersionedService
) -> None:
    world.process().index(INDEX, rows=ROWS).rotate()
    service.rotate()
    (first, second) = world.rows.versions("shop/prod", INDEX)
    world.rows.put(replace(second, wrapped=first.wrapped))
    before = dict(world.rows.keys)
    with pytest.raises(KeyUnavailable, match=r"version 2 of index users\.email; check its rows"):
        rewrap_index_keys(service, world.rows, SHOP, INDEX)
    assert world.rows.keys == before


def test_rows_that_change_at_each_attempt_are_left_as_they_are(
    world: World, service: VersionedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.process().index(INDEX, rows=ROWS)
    service.rotate()

    def lose(_before: Sequence[IndexKey], _after: Sequence[IndexKey]) -> bool:
        return False

    monkeypatch.setattr(world.rows, "replace", lose)
    with pytest.raises(KeyUnavailable, match="3 times; try again"):
        rewrap_index_keys(service, world.rows, SHOP, INDEX)
