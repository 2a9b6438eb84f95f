"""Encrypted model fields of Django: binding to the row, blind indexes, and plaintext checks."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from app_integration.errors import ConfigurationError, DecryptionFailed, EncryptionError
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
    exactly,
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


def test_saved_values_are_read_back_and_stored_encrypted() -> None:
    ada()
    found = Person.objects.get()
    assert (found.email, found.name, found.born) == ("Ada@Example.com", "Ada", date(1815, 12, 10))
    for column in ("email", "name", "born"):
        (token,) = stored(column)
        assert len(token) == 33 + len(str(getattr(found, column)))
        assert b"Ada" not in token


def test_token_copied_to_another_row_cannot_be_decrypted() -> None:
    one = ada()
    other = Person.objects.create(email="bob@example.com")
    token = Person.objects.get(pk=one.pk).__dict__["email"]
    assert isinstance(token, Stored)
    Person.objects.filter(pk=other.pk).update(email=token)
    moved = Person.objects.get(pk=other.pk)
    with pytest.raises(DecryptionFailed) as caught:
        assert moved.email is not None
    assert caught.value.__notes__ == ["The token was read as that of the field people.email."]
    with pytest.raises(DecryptionFailed):
        other.refresh_from_db()


def test_equality_matches_normalised_values() -> None:
    ada()
    Person.objects.create(email="bob@example.com")
    assert [row.name for row in find(Person.objects, "email", "ADA@example.com")] == ["Ada"]
    assert Person.objects.filter(email="ada@EXAMPLE.com").count() == 1
    assert Person.objects.filter(email__in=["ada@example.com", "bob@example.com"]).count() == 2
    assert Person.objects.exclude(email="ada@example.com").count() == 1
    assert find(Person.objects, "email", "nobody@example.com") == []
    assert Person.objects.filter(email__in=[]).count() == 0
    assert Person.objects.filter(born=None).count() == 1
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


def test_find_and_exactly_drop_rows_with_a_colliding_index_value() -> None:
    ada()
    Person.objects.create(email="bob@example.com")
    index = Person._meta.get_field("email_index").blind_index
    Person.objects.update(email_index=index.value("ada@example.com"))
    both = Person.objects.filter(email="ada@example.com")
    assert both.count() == 2
    assert [row.name for row in exactly(both, "email", "ada@example.com")] == ["Ada"]


def test_compound_index_matches_all_values_only() -> None:
    ada()
    assert len(find(Person.objects, "born", ("ADA", date(1815, 12, 10)))) == 1
    assert find(Person.objects, "born", ("ada", date(1815, 12, 11))) == []


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
        (lambda rows: rows.filter(email=5), "type int; the field is declared as str"),
        (lambda rows: rows.filter(email__in=["a", 5]), "type int; the field is declared as str"),
        (lambda rows: find(rows, "email", 5), "type int; the field is declared as str"),
        (lambda rows: exactly(rows.all(), "email", 5), "type int; the field is declared as str"),
        (lambda rows: rows.filter(born=("Ada", "1815-12-10")), "type str; .* declared as date"),
        (lambda rows: rows.filter(born=("Ada", datetime.now(UTC))), "type datetime; .* as date"),
        (lambda rows: rows.filter(email__in="abc"), "cannot take str; pass a list of values"),
        (lambda rows: rows.filter(email__in=rows.values("city")), "cannot take Query; pass a"),
    ],
)
def test_search_for_a_value_of_another_type_raises(
    search: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(EncryptionError, match=message):
        search(Person.objects)


@pytest.mark.parametrize(
    "write",
    [
        lambda: Person.objects.update(email="ada@example.com"),
        lambda: Person.objects.update(email=b"ada@example.com"),
        lambda: Person.objects.update(email=models.Value("ada@example.com")),
        lambda: Person.objects.update(email=Upper(models.Value("ada@example.com"))),
    ],
)
def test_plaintext_that_bypasses_the_object_raises(write: Callable[[], object]) -> None:
    ada()
    with pytest.raises(EncryptionError, match="is not an encrypted token"):
        write()
    assert b"ada@example.com" not in repr(stored("email")).encode()


def test_bulk_create_encrypts_and_indexes() -> None:
    Person.objects.bulk_create(Person(email=f"user{number}@example.com") for number in range(20))
    assert len(find(Person.objects, "email", "user7@example.com")) == 1


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


def test_loading_rows_needs_no_key_until_an_attribute_is_read(vault: MemoryApplication) -> None:
    ada()
    with vault.fault(Fault.UNREACHABLE):
        assert Person.objects.get().city == "London"
        assert Person.objects.only("city").get().city == "London"
        (value,) = Person.objects.values_list("email", flat=True)
    assert isinstance(value, Stored)
    assert "Ada" not in repr(value)
    assert Person.objects.defer("email").get().email == "Ada@Example.com"


def test_pickle_holds_no_plain_value() -> None:
    person = ada()
    assert person.email is not None
    assert b"Ada@" not in pickle.dumps(person)
    state: Any = person.__getstate__()
    assert state["email"].token == person.__dict__["email"].token


def test_unsaved_object_returns_assigned_values() -> None:
    person: Any = Person(email="ada@example.com")
    assert (person.email, person.name) == ("ada@example.com", None)
    with pytest.raises(EncryptionError, match="a value of type int"):
        Person(email=7)


def test_rejected_assignment_leaves_the_value_before_it() -> None:
    for person in (ada(), Person(email="Ada@Example.com")):
        with pytest.raises(EncryptionError, match="a value of type int"):
            change(person, email=7)
        assert person.email == "Ada@Example.com"


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


def test_value_that_was_changed_and_not_assigned_is_read_as_it_is_stored() -> None:
    others = {"text": "a", "number": 1, "price": Decimal(1), "paid": True, "owner": uuid4()}
    others |= {"day": date(1815, 12, 10), "at": datetime.now(UTC), "photo": b"a"}
    with django_project.tables(Sheet):
        sheet = Sheet.objects.create(names={"a": 1}, items=["a"], **others)
        sheet.names["b"] = 2
        sheet.items.append("b")
        sheet.save()
        sheet.refresh_from_db()
        assert (sheet.names, sheet.items) == ({"a": 1}, ["a"])
        sheet.names = {**sheet.names, "b": 2}
        sheet.save()
        assert Sheet.objects.get().names == {"a": 1, "b": 2}


def test_form_reports_what_cannot_be_encrypted() -> None:
    form = modelform_factory(Person, fields=["email", "born"])
    rejected = form({"email": "\ud800", "born": "tomorrow"})
    assert {*rejected.errors} == {"email", "born"}
    assert Sheet._meta.get_field("photo").formfield() is None


def test_self_contained_field_writes_tokens_that_carry_their_data_key() -> None:
    letter: Any = Letter(before="Dear Ada", after="Dear Ada")
    before, after = (Letter._meta.get_field(name) for name in ("before", "after"))
    assert isinstance(before.pre_save(letter, True).token, str)
    assert isinstance(after.pre_save(letter, True).token, bytes)
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
    with pytest.raises(ConfigurationError, match="primary key among them"):
        model(
            "Elsewhere",
            id=models.UUIDField(primary_key=True, default=uuid4),
            email=EncryptedField("x.email", context=["city"]),
        )
    model(
        "Fine",
        id=models.UUIDField(primary_key=True, default=uuid4),
        email=EncryptedField("x.email"),
    )


def test_key_that_another_database_generates_is_refused_before_the_insert() -> None:
    automatic = model("Automatic", email=EncryptedField("x.email"))
    row = automatic(email="ada@example.com")
    with django_project.tables(automatic):
        for write in (row.save, lambda: automatic.objects.bulk_create([row])):
            with pytest.raises(
                EncryptionError, match=r"Automatic\.id: .* no sequence of PostgreSQL"
            ):
                write()
        assert automatic.objects.count() == 0
        row.id = 7
        row.save()
        assert automatic.objects.get(id=7).email == "ada@example.com"
