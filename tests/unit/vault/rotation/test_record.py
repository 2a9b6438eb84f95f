"""Records of rotations: what was written is read, and any other text is one error."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from tests.unit.vault.conftest import FixedResponses
from vault.reconcile.resources.kv import metadata_path
from vault.reconcile.resources.ownership import OwnedByOther, Owner, rotation_paths
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, RecordStore, Step

TIME = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)


RECORD = Record("0123456789abcdef", Step.PROMOTE, TIME, old="1")
ITEM = Item(Kind.SECRET, "shop", "a/b", "shop/dev/a/b", 60, is_declared=True)


@pytest.mark.parametrize("step", Step)
def test_record_is_read_as_it_was_written(step: Step) -> None:
    record = replace(RECORD, step=step, new="2", announced=TIME, promoted=TIME, is_compromised=True)
    assert Record.parse(record.render(), "x") == record
    assert len(replace(record, old="9" * 60, new="9" * 60, ended=TIME).render()) <= 512


def test_record_of_a_value_that_is_not_announced_is_written_as_before() -> None:
    """A version without announcements reads it, and refuses the other."""
    assert "announced" not in RECORD.render()
    assert "announced" in replace(RECORD, announced=TIME).render()


def edited(**changes: Any) -> str:
    fields = {**json.loads(RECORD.render()), **changes}
    return json.dumps({key: each for key, each in fields.items() if each is not None})


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "null", '"text"', "[" * 5000),
        *(edited(format=2), edited(format=None), edited(step="other"), edited(step=None)),
        *(edited(started="yesterday"), edited(started=None), edited(started=7)),
        *(edited(started="0001-01-01T00:00:00Z"), edited(extra=1), edited(id=None)),
        *(edited(old=1), edited(new=[]), edited(is_undone="no"), edited(id=7)),
    ],
)
def test_text_of_anything_else_is_one_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="the record of the rotation of x cannot be read"):
        Record.parse(text, "x")


def store(notes: dict[str, str]) -> RecordStore:
    path = metadata_path(rotation_paths(ITEM.server_name)[0])
    reader = FixedResponses({path: {"custom_metadata": notes}})
    return RecordStore(reader, Owner(Environment.DEV), ITEM)


def test_record_is_where_pruning_looks_for_it() -> None:
    pair = replace(ITEM, kind=Kind.USER_PAIR)
    paths = [replace(store({}), item=item).entry.path for item in (ITEM, pair)]
    assert paths == rotation_paths(ITEM.server_name)
    assert store({}).read() is None


def test_record_of_another_deployment_is_rejected() -> None:
    notes = {"managed_by": "strongroom", "deployment": "other", "rotation": RECORD.render()}
    with pytest.raises(OwnedByOther, match="the rotation of shop/dev/a/b belongs to"):
        store(notes).read()
    assert store({**notes, "deployment": "strongroom"}).read() == RECORD
