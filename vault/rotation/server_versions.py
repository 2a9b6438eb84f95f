"""Versions of a secret or key on the server. Only metadata is read, no value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from app_integration.mounts import Mounts
from vault.reconcile.resources import GetSession, read_data
from vault.reconcile.resources.kv import find_end, metadata_path
from vault.reconcile.server_time import parse_time
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind

#: Kinds of items that have versions on the server.
VERSIONED: Final = frozenset({Kind.SECRET, Kind.USER_PAIR, Kind.KEY})


class VersionState(StrEnum):
    """What the server still does with a version."""

    CURRENT = "current"
    OLDER = "older"
    DELETED = "deleted"
    DESTROYED = "destroyed"
    CLOSED = "decrypts no more"


@dataclass(frozen=True, slots=True)
class Version:
    """A version."""

    number: int
    created: datetime
    state: VersionState
    deleted: datetime | None = None


def read_versions(
    reader: GetSession, item: Item, mounts: Mounts, now: datetime
) -> tuple[Version, ...]:
    """Return the versions that the server knows of *item*, the newest first.

    It forgets those beyond a number that the mount has. What is of another kind has none.
    """
    if item.kind not in VERSIONED:
        return ()
    if item.kind is Kind.KEY:
        data = read_data(reader, f"{mounts.transit}/keys/{item.server_name}")
        found = _key_versions(data or {})
    else:
        data = read_data(reader, metadata_path(item.server_name, mounts.kv))
        found = _kv_versions(data or {}, now)
    return tuple(sorted(found, key=lambda each: each.number, reverse=True))


def parse_creation(found: object) -> datetime | None:
    """Return when a version of a key was created.

    *found* is the seconds since the epoch of a symmetric key, and a mapping of an asymmetric one.
    """
    if isinstance(found, Mapping):
        return parse_time(found["creation_time"])
    return datetime.fromtimestamp(float(str(found)), UTC)


def _kv_versions(data: Mapping[str, Any], now: datetime) -> list[Version]:
    current = data.get("current_version")
    return [
        _kv_version(int(number), found, int(number) == current, now)
        for number, found in (data.get("versions") or {}).items()
    ]


def _kv_version(number: int, found: Mapping[str, Any], is_current: bool, now: datetime) -> Version:
    created = parse_time(found["created_time"])
    deleted = parse_time(found["deletion_time"]) if found["deletion_time"] else None
    alive = VersionState.CURRENT if is_current else VersionState.OLDER
    return Version(number, created or now, VersionState(find_end(found, now) or alive), deleted)


def _key_versions(data: Mapping[str, Any]) -> list[Version]:
    latest, least = data.get("latest_version"), data.get("min_decryption_version", 1)
    return [
        Version(int(number), created, _key_state(int(number), latest, least))
        for number, found in (data.get("keys") or {}).items()
        if (created := parse_creation(found)) is not None
    ]


def _key_state(number: int, latest: int | None, least: int) -> VersionState:
    if number == latest:
        return VersionState.CURRENT
    return VersionState.OLDER if number >= least else VersionState.CLOSED
