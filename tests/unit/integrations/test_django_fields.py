"""Encrypted model fields of Django: its queries, forms, bulk writes and migrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from app_integration.errors import ConfigurationError, EncryptionError
from app_integration.testing import Fault, MemoryApplication
from tests.support.databases import django_project
from tests.support.databases.memory_keys import memory_key_tables

django_project.set_up()

from django.core import serializers  # noqa: E402 (Django must be set up first)
from django.db import connection, models  # noqa: E402 (as above)
from django.db.migrations.writer import MigrationWriter  # noqa: E402 (as above)
from django.db.models.functions import Upper  # noqa: E402 (as above)
from django.forms import modelform_factory  # noqa: E402 (as above)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
    Stored,
    create_index_keys,
    find,
)

ROWS = 1_000_000


class Person(EncryptedModel):
    id = models.UUIDField(primary_key=True, default=uuid4)
    city = models.CharField(max_length=40, default="")
    email = EncryptedField("people.email", index="email_index")
    name = EncryptedField("people.name", null=True)
    born = EncryptedField("people.born", date, null=True, index="name_born_index")
    email_index = BlindIndexField("people.email", of=["email"], rows=ROWS, normalise="email")
    name_born_index = BlindIndexField(
        "people.name_born", of=["name", "born"], rows=ROWS, normalise=["casefold", "exact"]
    )

    class Meta:  # noqa: D106 (Django's)
        app_label = "people"


class Letter(EncryptedModel):
    """A model of which one field keeps the tokens that carry their data keys."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    before = EncryptedField("letters.text", db_column="text", self_contained=True)
    after = EncryptedField("letters.text", db_column="text_2")

    class Meta:  # noqa: D106 (Django's)
        app_label = "people"


class Sheet(EncryptedModel):
    """A model with a field of each type."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    text = EncryptedField("sheets.text")
    number = EncryptedField("sheets.number", int)
    price = EncryptedField("sheets.price", Decimal)
    paid = EncryptedField("sheets.paid", bool)
    owner = EncryptedField("sheets.owner", UUID)
    day = EncryptedField("sheets.day", date)
    at = EncryptedField("sheets.at", datetime)
    names = EncryptedField("sheets.names", dict)
    items = EncryptedField("sheets.items", list)
    photo = EncryptedField("sheets.photo", bytes)

    class Meta:  # noqa: D106 (Django's)
        app_label = "people"


@pytest.fixture
def table(vault: MemoryApplication) -> Iterator[None]:
    """Create the model's table and the tables of keys."""
    with memory_key_tables(vault), django_project.tables(Person):
        assert create_index_keys(Person)
        assert create_index_keys(Person) == []
        yield


pytestmark = pytest.mark.usefixtures("table")


def ada() -> Person:
    person: Person = Person.objects.create(
        email="Ada@Example.com", name="Ada", born=date(1815, 12, 10), city="London"
    )
    return person


def change(person: Person, **values: object) -> None:
    for name, value in values.items():
        setattr(person, name, value)


def stored(column: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM people_person")
        return [value for (value,) in cursor.fetchall()]


def test_conditions_are_combined_and_negated() -> None:
    ada()
    Person.objects.create(email="bob@example.com")
    assert Person.objects.exclude(email="ada@example.com").count() == 1
    assert Person.objects.filter(born=None, email="bob@example.com").count() == 1
    assert Person.objects.exclude(name=None).count() == 1


def test_query_for_one_index_value_compares_it_and_no_list() -> None:
    ada()
    for query in (
        Person.objects.filter(email="ada@example.com"),
        Person.objects.filter(email__in=["ada@example.com"]),
    ):
        assert '."email_index" = ' in str(query.query)
        assert [row.name for row in query] == ["Ada"]
    both = Person.objects.filter(email__in=["ada@example.com", "bob@example.com"])
    assert '."email_index" IN (' in str(both.query)
    assert [row.name for row in both] == ["Ada"]


@pytest.mark.parametrize("fields", [None, ["email"], ["email", "name", "born"]])
def test_changed_value_updates_index_and_token(fields: list[str] | None) -> None:
    person = ada()
    change(person, email="lovelace@example.com", name=None)
    person.save(update_fields=fields)
    assert find(Person.objects, "email", "ada@example.com") == []
    assert [row.pk for row in find(Person.objects, "email", "lovelace@example.com")] == [person.pk]
    assert stored("name_born_index") == [None] or fields == ["email"]
    assert Person.objects.filter(name__isnull=True).count() == (fields != ["email"])


@pytest.mark.parametrize(
    "query",
    [
        lambda: Person.objects.filter(email__contains="ada"),
        lambda: Person.objects.filter(email__startswith="ada"),
        lambda: Person.objects.filter(email__iexact="ada"),
        lambda: Person.objects.filter(email__gt="b"),
        lambda: Person.objects.filter(email__regex="ada"),
        lambda: Person.objects.filter(email__length__gt=3),
        lambda: list(Person.objects.order_by("email")),
        lambda: list(Person.objects.order_by(models.F("email").desc())),
        lambda: list(Person.objects.filter(city="x").order_by("-name")),
        lambda: list(Person.objects.filter(name="Ada")),
        lambda: serializers.serialize("json", Person.objects.all()),
    ],
)
def test_unsupported_query_raises(query: Callable[[], object]) -> None:
    ada()
    with pytest.raises(EncryptionError, match="is encrypted"):
        query()


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (lambda rows: rows.filter(email__in="abc"), "cannot take str; pass a list of values"),
        (lambda rows: rows.filter(email__in=rows.values("city")), "cannot take Query; pass a"),
    ],
)
def test_search_for_no_list_raises(search: Callable[[Any], object], message: str) -> None:
    with pytest.raises(EncryptionError, match=message):
        search(Person.objects)


@pytest.mark.parametrize(
    "write",
    [
        lambda: Person.objects.update(email=models.Value("ada@example.com")),
        lambda: Person.objects.update(email=Upper(models.Value("ada@example.com"))),
    ],
)
def test_plaintext_that_bypasses_the_object_raises(write: Callable[[], object]) -> None:
    ada()
    with pytest.raises(EncryptionError, match="is not an encrypted token"):
        write()
    assert b"ada@example.com" not in repr(stored("email")).encode()


@pytest.mark.parametrize("name", [None, "Bob"])
def test_bulk_update_encrypts_and_indexes(name: str | None) -> None:
    person = ada()
    change(person, email="lovelace@example.com", name=name, city="Paris")
    assert Person.objects.bulk_update([person], ["email", "name"]) == 1
    found = Person.objects.get()
    assert (found.email, found.name, found.city) == ("lovelace@example.com", name, "London")
    assert find(Person.objects, "email", "lovelace@example.com") == [found]
    assert (stored("name_born_index") == [None]) == (name is None)


def test_cleared_field_has_no_index_value() -> None:
    ada()
    Person.objects.update(name=None)
    assert stored("name") == stored("name_born_index") == [None]
    assert stored("email_index") != [None]


def test_partly_loaded_object_is_saved_with_its_index() -> None:
    ada()
    person = Person.objects.only("email").get()
    change(person, email="lovelace@example.com")
    person.save()
    assert find(Person.objects, "email", "lovelace@example.com") == [person]
    assert Person.objects.get().name == "Ada"


def test_part_of_a_row_needs_no_key(vault: MemoryApplication) -> None:
    ada()
    with vault.fault(Fault.UNREACHABLE):
        assert Person.objects.only("city").get().city == "London"
        (value,) = Person.objects.values_list("email", flat=True)
    assert isinstance(value, Stored)
    assert "Ada" not in repr(value)
    assert Person.objects.defer("email").get().email == "Ada@Example.com"


def test_state_of_an_object_has_its_tokens() -> None:
    person = ada()
    assert person.email is not None
    state: Any = person.__getstate__()
    assert state["email"].token == person.__dict__["email"].token


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("text", "Ada", "Ada"),
        ("number", "7", 7),
        ("price", "7.50", Decimal("7.50")),
        ("paid", "True", True),
        ("owner", str(UUID(int=7)), UUID(int=7)),
        ("day", "1815-12-10", date(1815, 12, 10)),
        ("at", "1815-12-10T08:30:00Z", datetime(1815, 12, 10, 8, 30, tzinfo=UTC)),
        ("names", '{"a": [1]}', {"a": [1]}),
        ("items", "[1]", [1]),
    ],
)
def test_form_and_serializer_values_have_the_type_of_the_field(
    name: str, typed: str, value: object
) -> None:
    field = Sheet._meta.get_field(name)
    assert field.formfield().clean(typed) == value
    assert field.to_python(value if isinstance(value, dict | list) else typed) == value


def test_form_saves_typed_values_and_clears_empty_ones() -> None:
    form = modelform_factory(Person, fields=["email", "name", "born"])
    form.base_fields["name"].required = form.base_fields["born"].required = False
    person = form({"email": "ada@example.com", "name": "Ada", "born": "1815-12-10"}).save()
    assert Person.objects.get().born == date(1815, 12, 10)
    assert not form(
        {"email": "ada@example.com", "name": "Ada", "born": "1815-12-10"}, instance=person
    ).has_changed()
    form({"email": "ada@example.com", "name": "", "born": ""}, instance=person).save()
    assert stored("name") == stored("born") == [None]


def test_form_reports_what_cannot_be_encrypted() -> None:
    form = modelform_factory(Person, fields=["email", "born"])
    rejected = form({"email": "\ud800", "born": "tomorrow"})
    assert {*rejected.errors} == {"email", "born"}
    assert Sheet._meta.get_field("photo").formfield() is None


def test_migration_has_the_mode_of_a_self_contained_field() -> None:
    before, after = (Letter._meta.get_field(name) for name in ("before", "after"))
    assert before.clone().deconstruct()[3]["self_contained"] is True
    assert "self_contained" not in after.deconstruct()[3]


def test_migration_writer_serializes_the_fields() -> None:
    for name in ("email", "born", "email_index", "name_born_index"):
        field = Person._meta.get_field(name)
        text, imports = MigrationWriter.serialize(field)
        assert "people." in text
        assert any("app_integration.integrations.django" in line for line in imports)
        assert field.clone().deconstruct()[1:] == field.deconstruct()[1:]


def model(name: str, **fields: Any) -> Any:
    """Return a model of its own."""
    meta = type("Meta", (), {"app_label": "others"})
    return type(name, (EncryptedModel,), {"__module__": __name__, "Meta": meta, **fields})


def test_model_with_an_unsuitable_key_raises() -> None:
    with pytest.raises(ConfigurationError, match="by a sequence only; use an AutoField"):
        model(
            "Served",
            id=models.IntegerField(primary_key=True, db_default=7),
            email=EncryptedField("x.email"),
        )
    model(
        "Fine",
        id=models.UUIDField(primary_key=True, default=uuid4),
        email=EncryptedField("x.email"),
    )
