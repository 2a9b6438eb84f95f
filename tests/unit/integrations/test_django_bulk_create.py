"""Objects of ``bulk_create`` and ``bulk_update``: encrypted together, and bound as by ``save``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from app_integration import use_data_keys
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import EncryptionError, KeyUnavailable
from app_integration.testing import Fault, MemoryApplication
from tests.support.databases import django_project
from tests.support.databases.memory_keys import memory_key_tables

django_project.set_up()

from django.db import IntegrityError, models  # noqa: E402 (Django must be set up first)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
    create_index_keys,
    find,
)

ROWS = 5


class CounterField(models.IntegerField):  # type: ignore[misc] # Django has no types
    """A field that counts how often its object was saved."""

    def pre_save(self, row: Any, add: bool) -> Any:  # noqa: ARG002 (Django's signature)
        setattr(row, self.attname, getattr(row, self.attname) + 1)
        return getattr(row, self.attname)


class Letter(EncryptedModel):
    """A model with a token that is bound to a value which changes when it is saved."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    saved = CounterField(default=0)
    weight = models.FloatField(default=0)
    sender = EncryptedField("letters.sender", index="sender_index")
    text = EncryptedField("letters.text", null=True, context=["id", "saved"])
    note = EncryptedField("letters.note", null=True, context=["id", "weight"])
    sender_index = BlindIndexField("letters.sender", of=["sender"], rows=1_000_000)

    class Meta:  # noqa: D106 (Django's)
        app_label = "letters"


class Stamp(EncryptedModel):
    """A model whose primary key has no default."""

    number = models.IntegerField(primary_key=True)
    text = EncryptedField("stamps.text")

    class Meta:  # noqa: D106 (Django's)
        app_label = "letters"


@pytest.fixture(autouse=True)
def tables(vault: MemoryApplication) -> Iterator[Engine]:
    with memory_key_tables(vault) as engine, django_project.tables(Letter, Stamp):
        create_index_keys(Letter)
        yield engine


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the field and the number of values of each batch that is encrypted."""
    found = list[tuple[str, int]]()
    encrypt_many = DeclaredField.encrypt_many

    def record(field: DeclaredField, items: Sequence[Any], *context: Sequence[Any]) -> Any:
        found.append((str(field.binding.field), len(items)))
        return encrypt_many(field, items, *context)

    monkeypatch.setattr(DeclaredField, "encrypt_many", record)
    return found


def letters() -> list[Any]:
    return [
        Letter(sender=f"sender {number}", text=f"text {number}" if number else None)
        for number in range(ROWS)
    ]


def texts() -> list[Any]:
    return sorted((row.sender, row.text) for row in Letter.objects.all())


def error_of(call: Callable[[], object]) -> EncryptionError:
    with pytest.raises(EncryptionError) as found:
        call()
    return found.value


def test_bulk_create_encrypts_each_field_of_all_objects_at_once(
    batches: list[tuple[str, int]],
) -> None:
    made = letters()
    Letter.objects.bulk_create(made, batch_size=2)
    assert batches[0] == ("letters.sender", ROWS)
    assert [count for name, count in batches if name == "letters.sender"] == [ROWS]
    assert texts() == [(f"sender {number}", each.text) for number, each in enumerate(made)]
    assert [row.text for row in find(Letter.objects, "sender", "sender 3")] == ["text 3"]


def test_bulk_create_binds_to_a_value_that_changes_when_it_is_saved() -> None:
    Letter.objects.bulk_create(letters())
    assert [text for _, text in texts()] == [None, "text 1", "text 2", "text 3", "text 4"]


def test_bulk_update_encrypts_each_field_of_all_objects_at_once(
    batches: list[tuple[str, int]],
) -> None:
    Letter.objects.bulk_create(letters())
    rows = list(Letter.objects.all())
    for row in rows:
        row.sender, row.text = f"new {row.sender}", "not written"
    batches.clear()
    assert Letter.objects.bulk_update(iter(rows), ["sender"]) == ROWS
    assert batches == [("letters.sender", ROWS)]
    assert [sender for sender, _ in texts()] == [f"new sender {number}" for number in range(ROWS)]
    assert "not written" not in dict(texts()).values()
    assert len(find(Letter.objects, "sender", "new sender 3")) == 1


def test_bulk_create_without_a_key_writes_nothing(vault: MemoryApplication, tables: Engine) -> None:
    use_data_keys(TableDataKeys(tables))  # of which none is cached
    made = letters()
    with vault.fault(Fault.UNREACHABLE), pytest.raises(KeyUnavailable):
        Letter.objects.bulk_create(made)
    assert texts() == []
    assert [row.sender for row in made] == [f"sender {number}" for number in range(ROWS)]
    Letter.objects.bulk_create(made)
    assert len(texts()) == ROWS


def test_context_that_cannot_be_bound_raises_as_for_save_and_writes_nothing() -> None:
    made = letters()
    made[3].weight, made[3].note = 0.5, "note"
    error = error_of(lambda: Letter.objects.bulk_create(made))
    assert str(error) == str(error_of(Letter(sender="sender", weight=0.5, note="note").save))
    assert texts() == []


def test_object_without_a_key_raises_as_for_save() -> None:
    made = [Stamp(number=1, text="one"), Stamp(text="two")]
    error = error_of(lambda: Stamp.objects.bulk_create(made))
    assert str(error) == str(error_of(made[1].save))
    assert Stamp.objects.count() == 0


def test_object_whose_insert_failed_is_bound_to_its_next_key() -> None:
    made: list[Any] = [Letter(sender=f"sender {number}") for number in range(ROWS)]
    taken = Letter.objects.create(sender="first")
    made[3].id = taken.id
    with pytest.raises(IntegrityError):
        Letter.objects.bulk_create(made, batch_size=2)
    Letter.objects.all().delete()
    made[4].id = uuid4()
    Letter.objects.bulk_create(made)
    assert len(texts()) == ROWS


def test_copy_of_an_object_that_was_saved_meanwhile_is_saved() -> None:
    row: Any = Letter(sender="sender")
    copied: Any = Letter.__new__(Letter)
    copied.__dict__.update(row.__getstate__())
    row.save()
    copied.save(force_update=True)
    assert texts() == [("sender", None)]


def test_token_of_another_object_is_not_taken_for_a_value() -> None:
    Letter.objects.bulk_create(letters())
    token = Letter.objects.filter(sender="sender 1").get().__dict__["sender"]
    moved = Letter(sender=token)
    with pytest.raises(EncryptionError):
        Letter.objects.bulk_create([moved])
    assert len(texts()) == ROWS
