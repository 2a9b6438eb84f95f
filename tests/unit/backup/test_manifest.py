"""Manifest of a folder: what a run after a kill does, and which backups expire."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup.errors import BackupFailed
from backup.folder import BACKUPS, MANIFEST, BackupFolder
from backup.manifest import Entry, Manifest, State, expire, settle

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def entry(days: int, service: str = "shop", state: State = State.KEPT) -> Entry:
    created = NOW - timedelta(days=days)
    file = f"{service}-prod-{created:%Y%m%dT%H%M%SZ}.dump.encrypted"
    return Entry(file, service, "prod", "shop", created, created, 5000, "00", 2, 10, state)


def manifest(*entries: Entry) -> Manifest:
    return Manifest({each.file: each for each in entries})


def always(_entry: Entry) -> bool:
    return True


def never(_entry: Entry) -> bool:
    return False


def test_manifest_is_read_as_it_was_written() -> None:
    written = manifest(entry(1), entry(2, "mail"), entry(3, state=State.REMOVING))
    assert Manifest.from_json(written.to_json()) == written


@pytest.mark.parametrize(
    "change",
    [
        ('"format": 1', '"form": 1'),
        ('"state": "kept"', '"state": "other"'),
        ('"file": "shop', '"file": "../shop'),
        ('"size": 5000,', ""),
        ('"size": 5000', '"length": 5000'),
        ('"created": "2026', '"created": "26'),
        ("{", "["),
        ('"service": "shop"', '"service": "mail"'),  # a forged entry of a file of another service
        ('"service": "shop"', '"service": 5'),
        ('"service": "shop"', '"service": ["shop"]'),
        ('"environment": "prod"', '"environment": "../prod"'),
        ('"environment": "prod"', '"environment": null'),
        ('"created": "2026', '"created": "2025'),
        ('"created": "2026-11-26T12:00:00Z"', '"created": {}'),
        ('"size": 5000', '"size": "5000"'),
        ('"size": 5000', '"size": 1e999'),
        ('"size": 5000', '"size": -1'),
        ('"rows": 10', '"rows": true'),
        ('"digest": "00"', '"digest": null'),
        ('"database": "shop"', '"database": "\\u001b[2J"'),
        ('"state": "kept"', '"state": []'),
        ('"backups": [', f'"backups": {"[" * 100_000}'),
    ],
)
def test_manifest_that_is_malformed_is_refused(change: tuple[str, str]) -> None:
    text = manifest(entry(1)).to_json()
    assert change[0] in text
    with pytest.raises(BackupFailed, match=r"manifest\.json is malformed"):
        Manifest.from_json(text.replace(*change))


def test_manifest_that_the_error_tells_to_write_is_an_empty_one() -> None:
    with pytest.raises(BackupFailed) as caught:
        Manifest.from_json("{")
    text = re.search(r"\{.*\}", str(caught.value))
    assert text is not None
    assert Manifest.from_json(text[0]) == Manifest()


def test_folder_whose_manifest_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / BACKUPS.mark).touch()
    (tmp_path / MANIFEST).write_bytes(manifest(entry(1)).to_json().encode()[:-4] + b"\xff")
    with pytest.raises(BackupFailed, match=r"manifest\.json is malformed"):
        BackupFolder(tmp_path).read()


def test_settle_after_a_kill_before_the_rename_drops_the_entry() -> None:
    kept = entry(1)
    assert settle(manifest(kept, entry(0, state=State.ADDING)), never) == manifest(kept)


def test_settle_after_a_kill_behind_the_rename_keeps_the_entry() -> None:
    added = entry(0, state=State.ADDING)
    assert settle(manifest(added), always) == manifest(replace(added, state=State.KEPT))


def test_settle_keeps_a_removal_until_the_file_is_gone() -> None:
    removed = manifest(entry(9, state=State.REMOVING))
    assert settle(removed, always) == removed
    assert settle(removed, never) == manifest()


def test_settle_keeps_the_entry_of_a_missing_file() -> None:
    missing = manifest(entry(1))
    assert settle(missing, never) == missing


def test_expire_removes_old_backups_of_the_same_service_only() -> None:
    newest, old, young, other = entry(0), entry(8), entry(6), entry(8, "mail")
    found = expire(manifest(newest, old, young, other), newest, NOW - timedelta(days=7), always)
    assert [each.file for each in found.in_state(State.REMOVING)] == [old.file]


def test_expire_with_a_clock_that_was_set_back_keeps_the_newest() -> None:
    newest = entry(8)
    assert not expire(manifest(newest), newest, NOW, always).in_state(State.REMOVING)


def test_expire_keeps_a_file_that_is_not_the_backup() -> None:
    newest, old = entry(0), entry(8)
    assert not expire(manifest(newest, old), newest, NOW, never).in_state(State.REMOVING)


def test_expire_keeps_a_service_whose_name_and_environment_have_the_same_text() -> None:
    newest, other = replace(entry(0), environment="eu-prod"), replace(entry(8), service="shop-eu")
    assert "-".join(newest.origin) == "-".join(other.origin)
    assert not expire(manifest(newest, other), newest, NOW, always).in_state(State.REMOVING)
