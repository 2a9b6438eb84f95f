"""What only Django has of keys that PostgreSQL generates: its managers, signals and upserts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from app_integration.errors import EncryptionError
from tests.support.databases import django_project
from tests.support.orms.django_orm import DjangoOrm

django_project.set_up()

from asgiref.sync import sync_to_async  # noqa: E402 (Django must be set up first)
from django.db import (  # noqa: E402 (as above)
    IntegrityError,
    connections,
    models,
    transaction,
)
from django.db.models.signals import pre_save  # noqa: E402 (as above)
from django.forms import modelform_factory  # noqa: E402 (as above)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
    create_index_keys,
)

pytestmark = pytest.mark.requires("embedded")

COUNT = 12


class Writer(EncryptedModel):
    """A model with the key that Django gives a model by default."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=40, unique=True)
    visits = models.IntegerField(default=0)
    email = EncryptedField("writers.email", null=True, index="email_index")
    email_index = BlindIndexField("writers.email", of=["email"], rows=1_000_000, normalise="email")

    class Meta:  # noqa: D106 (Django's)
        app_label = "generated"


class Always(EncryptedModel):
    """A model over a table whose key is GENERATED ALWAYS, and its names quoted."""

    id = models.AutoField(primary_key=True, db_column="Key (id)")
    name = models.CharField(max_length=40, unique=True)
    visits = models.IntegerField(default=0)
    email = EncryptedField("always.email", null=True)

    class Meta:  # noqa: D106 (Django's)
        app_label = "generated"
        db_table = "Always (people)"


class Serial(EncryptedModel):
    """A model over a table as Pagila has them: no column owns the sequence."""

    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(max_length=40, unique=True)
    visits = models.IntegerField(default=0)
    email = EncryptedField("serial.email", null=True)

    class Meta:  # noqa: D106 (Django's)
        app_label = "generated"


class Critic(Writer):
    """A model in a table of its own that has the key of its base model."""

    paper = EncryptedField("critics.paper")

    class Meta:  # noqa: D106 (Django's)
        app_label = "generated"


class Book(EncryptedModel):
    """A model whose tokens are bound to a generated key of another model, too."""

    id = models.BigAutoField(primary_key=True)
    writer = models.ForeignKey(Writer, models.CASCADE, related_name="books")
    title = EncryptedField("books.title", context=["id", "writer_id"])

    class Meta:  # noqa: D106 (Django's)
        app_label = "generated"


MODELS: list[Any] = [Writer, Always, Serial]
_CHANGES = """
    ALTER TABLE "Always (people)" ALTER "Key (id)" SET GENERATED ALWAYS;
    ALTER TABLE generated_serial ALTER id DROP IDENTITY;
    CREATE SEQUENCE django_ids;
    ALTER TABLE generated_serial ALTER id SET DEFAULT nextval('django_ids')
"""


@pytest.fixture(autouse=True)
def orm(key_engine: Engine) -> Iterator[DjangoOrm]:
    with DjangoOrm.connected(key_engine) as orm:
        with django_project.tables(*MODELS, Critic, Book):
            for each in _CHANGES.split(";"):
                orm.run(each)
            create_index_keys(Writer)
            yield orm
        orm.run("DROP SEQUENCE django_ids")


def emails(model: Any) -> dict[str, str | None]:
    return {row.name: row.email for row in model.objects.all()}


def made(model: Any, count: int = COUNT) -> list[Any]:
    return [model(name=f"n{each}", email=f"e{each}") for each in range(count)]


def save(model: Any) -> None:
    for row in made(model):
        row.save()
        assert row.pk is not None


def create(model: Any) -> None:
    for each in range(COUNT):
        row = model.objects.create(name=f"n{each}", email=f"e{each}")
        assert not row._state.adding


def bulk_create(model: Any) -> None:
    rows = made(model)
    assert model.objects.bulk_create(rows) == rows
    assert [row.pk for row in rows] == sorted(row.pk for row in rows)
    assert not any(row._state.adding for row in rows)


def bulk_create_in_batches(model: Any) -> None:
    model.objects.bulk_create(made(model), batch_size=5)


def bulk_create_and_ignore(model: Any) -> None:
    rows = made(model)
    model.objects.bulk_create(rows, ignore_conflicts=True)
    # As with plain models: nobody knows which of them the table has.
    assert all(row.pk is None and row._state.adding for row in rows)
    assert [row.email for row in rows] == [f"e{each}" for each in range(COUNT)]


def update_or_create(model: Any) -> None:
    for turn in range(2):
        for each in range(COUNT):
            row, is_new = model.objects.update_or_create(
                name=f"n{each}", defaults={"email": f"e{each}"}, create_defaults={"email": "first"}
            )
            assert is_new is (turn == 0)
            assert row.pk is not None


def get_or_create(model: Any) -> None:
    for each in range(COUNT):
        found = [
            model.objects.get_or_create(name=f"n{each}", defaults={"email": f"e{each}"})
            for _ in range(2)
        ]
        assert [is_new for _, is_new in found] == [True, False]
        assert found[0][0].pk == found[1][0].pk


def save_forms(model: Any) -> None:
    form = modelform_factory(model, fields=["name", "email"])
    for each in range(COUNT):
        form({"name": f"n{each}", "email": f"e{each}"}).save()


WAYS: list[tuple[Callable[[Any], None], int]] = [
    (save, COUNT),
    (create, COUNT),
    (bulk_create, 1),
    (bulk_create_in_batches, 1),
    (bulk_create_and_ignore, 1),
    (update_or_create, COUNT),
    (get_or_create, COUNT),
    (save_forms, COUNT),
]


def test_rows_inserted_in_any_way_are_read(orm: DjangoOrm) -> None:
    for model in MODELS:
        for way, requests in WAYS:
            with orm.reservations() as reserved:
                way(model)
            assert emails(model) == {f"n{each}": f"e{each}" for each in range(COUNT)}, way
            assert len(reserved) == requests, way
            model.objects.all().delete()


def test_single_objects_keep_assigned_keys() -> None:
    for model in MODELS:
        model.objects.create(pk=20_011, name="created", email="first")
        model(pk=20_012, name="saved", email="second").save()
        found = {row.pk: row.email for row in model.objects.all()}
        assert found == {20_011: "first", 20_012: "second"}


def test_object_is_new_until_it_is_inserted() -> None:
    """Signals and overridden methods ask for the key whether an object is new."""
    seen = list[Any]()

    def note(sender: Any, instance: Any, **_: Any) -> None:
        del sender
        seen.append(instance.pk)

    pre_save.connect(note, Always)
    try:
        row: Any = Always.objects.create(name="ada", email="e")
        row.save()
    finally:
        pre_save.disconnect(note, Always)
    assert seen == [None, row.pk]


def test_object_that_is_not_inserted_has_no_key() -> None:
    for model in MODELS:
        model.objects.create(name="n3", email="first")
        row = model(name="n3", email="second")
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save()
        rows = made(model)
        with pytest.raises(IntegrityError), transaction.atomic():
            model.objects.bulk_create(rows, batch_size=2)
        assert [each.pk for each in (row, *rows)] == [None] * (COUNT + 1)
        assert row.email == "second"
        row.name, rows[3].name = "other", "changed"
        row.save()
        model.objects.bulk_create(rows)
        expected = {f"n{each}": f"e{each}" for each in range(COUNT)}
        expected |= {"n3": "first", "other": "second", "changed": "e3"}
        assert emails(model) == expected


def test_related_objects_are_bound_to_generated_keys() -> None:
    critic: Any = Critic.objects.create(name="eve", email="eve@example.com", paper="Post")
    ada: Any = Writer.objects.create(name="ada")
    ada.books.create(title="one")
    ada.books.bulk_create([Book(writer=ada, title=f"{each}") for each in range(COUNT)])
    critic.books.create(title="critic's")
    assert {row.title for row in ada.books.all()} == {"one", *map(str, range(COUNT))}
    assert [row.title for row in critic.books.all()] == ["critic's"]
    critic = Critic.objects.get()
    assert (critic.email, critic.paper) == ("eve@example.com", "Post")
    with pytest.raises(IntegrityError), transaction.atomic():
        Critic(name="ada", email="x", paper="y").save()
    again: Any = Critic(name="eva", email="x", paper="y")
    again.save()
    assert (Critic.objects.get(name="eva").email, again.email) == ("x", "x")


def test_upsert_by_another_column_than_the_key_is_refused() -> None:
    for model in MODELS:
        ada = model.objects.create(name="n3", email="first")
        for fields in (["email"], ["visits"]):
            with pytest.raises(EncryptionError, match=r"update_conflicts.*use update_or_create"):
                model.objects.bulk_create(
                    made(model),
                    update_conflicts=True,
                    unique_fields=["name"],
                    update_fields=fields,
                )
        assert emails(model) == {"n3": "first"}
        changed = model(pk=ada.pk, name="n3", email="second")
        model.objects.bulk_create(
            [changed], update_conflicts=True, unique_fields=["pk"], update_fields=["email"]
        )
        assert emails(model) == {"n3": "second"}
        changed.visits = 7
        model.objects.bulk_create(
            [changed], update_conflicts=True, unique_fields=["name"], update_fields=["visits"]
        )
        assert model.objects.get().visits == 7


def test_asynchronous_methods_insert() -> None:
    async def main() -> None:
        rows = Always.objects.using("postgres")  # in a thread with a connection of its own
        await rows.acreate(name="a", email="a")
        await rows.abulk_create([Always(name="b", email="b")])
        await Always(name="c", email="c").asave(using="postgres")
        await sync_to_async(connections.close_all)()

    asyncio.run(main())
    assert emails(Always) == {"a": "a", "b": "b", "c": "c"}


def test_manager_that_cannot_reserve_keys_raises() -> None:
    with pytest.raises(EncryptionError, match="or derive the manager from EncryptedQuerySet"):
        models.QuerySet(Always).bulk_create(made(Always))
    assert emails(Always) == {}
