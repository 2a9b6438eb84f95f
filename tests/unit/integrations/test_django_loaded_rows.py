"""Model objects that one query set loads: their values are decrypted together, and fail alone."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from app_integration.errors import DecryptionFailed
from app_integration.testing import MemoryApplication
from tests.support.databases import django_project
from tests.support.databases.memory_keys import memory_key_tables

django_project.set_up()

from django.db import connection, models  # noqa: E402 (Django must be set up first)
from django.db.models import signals  # noqa: E402 (as above)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    EncryptedField,
    EncryptedModel,
    EncryptedQuerySet,
    Stored,
)
from app_integration.integrations.django.loaded_rows import LoadedRows  # noqa: E402 (as above)

ROWS = 5
LOADED_WITH = "_strongroom_loaded_with"


class Guest(EncryptedModel):
    id = models.UUIDField(primary_key=True, default=uuid4)
    seat = models.IntegerField()
    room = models.TextField(default="")
    email = EncryptedField("guests.email")
    name = EncryptedField("guests.name", null=True)

    plain = models.Manager()
    objects = EncryptedQuerySet.as_manager()

    class Meta:  # noqa: D106 (Django's)
        app_label = "guests"


class Booking(EncryptedModel):
    """A model of which one field is bound to an encrypted one."""

    night = models.IntegerField(primary_key=True)
    guest = EncryptedField("bookings.guest")
    bill = EncryptedField("bookings.bill", context=["night", "guest"])

    class Meta:  # noqa: D106 (Django's)
        app_label = "guests"


class Loaded(models.Model):  # type: ignore[misc] # Django has no types
    """A class of models whose ``from_db`` takes what Django's own does since 6.1."""

    class Meta:  # noqa: D106 (Django's)
        abstract = True

    @classmethod
    def from_db(cls, db: Any, field_names: Any, values: Any, *, fetch_mode: Any = None) -> Any:
        row = super().from_db(db, field_names, values)
        row.loaded_with = fetch_mode
        return row


class Ticket(EncryptedModel, Loaded):  # noqa: DJ008 (never shown)
    id = models.UUIDField(primary_key=True, default=uuid4)
    email = EncryptedField("tickets.email")

    class Meta:  # noqa: D106 (Django's)
        app_label = "guests"


class Parcel(models.Model):  # type: ignore[misc] # noqa: DJ008 (as both above)
    """A model without encrypted fields, which refers to two objects of one with such."""

    id = models.IntegerField(primary_key=True)
    sender = models.ForeignKey(Guest, models.CASCADE, related_name="+")
    receiver = models.ForeignKey(Guest, models.CASCADE, related_name="+")

    class Meta:  # noqa: D106 (Django's)
        app_label = "guests"


@pytest.fixture(autouse=True)
def tables(vault: MemoryApplication) -> Iterator[Engine]:
    with memory_key_tables(vault) as engine, django_project.tables(Guest, Booking, Parcel):
        Guest.objects.bulk_create(map(guest, range(ROWS)))
        yield engine


def guest(seat: int) -> Guest:
    return Guest(seat=seat, email=email(seat), name=f"Guest {seat}" if seat % 2 else None)


def email(seat: int) -> str:
    return f"guest{seat}@example.com"


def emails() -> list[str]:
    return [email(seat) for seat in range(ROWS)]


def load() -> list[Any]:
    return list(Guest.objects.order_by("seat"))


def decrypted(rows: list[Any], name: str) -> list[int]:
    tokens = [(row.seat, row.__dict__[name]) for row in rows]
    return [seat for seat, stored in tokens if getattr(stored, "known", None) is not None]


def shallow_copy(row: Any) -> Any:
    """Return a shallow copy of *row*, as ``copy`` makes it of a model of an installed app."""
    return rebuild(row.__getstate__())


def rebuild(state: dict[str, Any]) -> Any:
    """Return the object with a state, as ``pickle`` makes it of a model of an installed app."""
    made = Guest.__new__(Guest)
    made.__dict__.update(state)
    return made


def run(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def test_context_of_an_encrypted_attribute_is_bound() -> None:
    Booking.objects.bulk_create(
        Booking(night=night, guest=f"g{night}", bill="9") for night in range(3)
    )
    rows = list(Booking.objects.order_by("night"))
    assert [row.bill for row in rows] == ["9", "9", "9"]
    rows[0].guest = "another"
    with pytest.raises(DecryptionFailed):
        assert rows[0].bill


def test_changed_key_does_not_return_the_value_of_the_former_one() -> None:
    rows = load()
    assert [row.email for row in rows] == emails()
    rows[1].id = uuid4()
    with pytest.raises(DecryptionFailed):
        assert rows[1].email


def test_token_that_is_assigned_is_decrypted_with_its_new_row() -> None:
    rows = load()
    assert [row.email for row in rows] == emails()
    rows[1].email = rows[0].__dict__["email"]
    with pytest.raises(DecryptionFailed):
        assert rows[1].email


@pytest.mark.parametrize("first", ["email", "name"])
def test_token_of_another_field_is_not_read_by_its_cached_value(first: str) -> None:
    row = load()[1]
    if first == "email":
        assert row.email == email(1)
    row.name = row.__dict__["email"]
    assert row.email == email(1)
    with pytest.raises(DecryptionFailed):
        assert row.name
    with pytest.raises(DecryptionFailed):
        row.save()


def test_refreshed_field_keeps_no_value_that_was_decrypted_together() -> None:
    rows = load()
    assert [row.email for row in rows] == emails()
    other = Guest.objects.get(seat=1)
    other.email = "new@example.com"
    other.save()
    rows[1].refresh_from_db(fields=["email"])
    assert rows[1].email == "new@example.com"
    assert rows[1].__dict__["email"].value == "new@example.com"
    assert [row.email for row in rows if row.seat != 1] == [email(0), *emails()[2:]]


def test_deferred_field_is_read_from_the_database() -> None:
    rows = list(Guest.objects.defer("email").order_by("seat"))
    assert [row.name for row in rows] == [None, "Guest 1", None, "Guest 3", None]
    run("UPDATE guests_guest SET email = x'01' WHERE seat = 0")
    with pytest.raises(DecryptionFailed):
        assert rows[0].email
    assert [row.email for row in rows[1:]] == emails()[1:]
    del rows[2].__dict__["email"]  # so that Django loads it again
    assert rows[2].email == email(2)


@pytest.mark.parametrize("through", [copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))])  # noqa: S301 (pickled here)
def test_state_of_a_pickle_or_deep_copy_has_tokens_without_values(
    through: Callable[[Any], Any],
) -> None:
    rows = load()
    assert [row.email for row in rows] == emails()
    rows[1].email = "new@example.com"
    copied, changed = [rebuild(through(row.__getstate__())) for row in rows[:2]]
    assert LoadedRows.find(copied) is None
    assert decrypted([copied], "email") == []
    assert (copied.email, changed.email) == (email(0), None)


def test_token_that_an_earlier_release_pickled_is_decrypted() -> None:
    row = load()[0]
    token = Stored.__new__(Stored)
    values = {"token": row.__dict__["email"].token, "binding": None, "needs_renewal": False}
    token.__setstate__((None, values))
    row.email = token
    assert row.email == email(0)


def test_copy_of_a_loaded_object_keeps_its_assigned_none() -> None:
    row = load()[1]
    copied = shallow_copy(row)
    copied.name = None
    assert (row.name, copied.name) == ("Guest 1", None)


def test_copy_of_a_loaded_object_has_values_of_its_own() -> None:
    rows = load()
    copied, changed = map(shallow_copy, rows[:2])
    assert [row.email for row in rows] == emails()
    rows[0].email, changed.email = "new@example.com", "other@example.com"
    assert [rows[0].email, copied.email] == ["new@example.com", email(0)]
    assert [rows[1].email, changed.email] == [email(1), "other@example.com"]


def test_rows_that_stream_are_decrypted_in_their_chunks() -> None:
    query = Guest.objects.order_by("seat")
    assert [row.email for row in query.iterator(chunk_size=2)] == emails()
    rows, read = [], []
    for row in query.iterator(chunk_size=3):
        rows.append(row)
        read.append(row.email)
        if len(rows) == 2:
            assert decrypted(rows, "email") == [0, 1]
    assert read == emails()


def test_rows_that_stream_keep_one_chunk_at_most() -> None:
    Guest.objects.bulk_create(guest(seat) for seat in range(ROWS, 3 * LoadedRows.SIZE))
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def count(instance: Any, **_: Any) -> None:
        made.append(weakref.ref(instance))
        alive.append(sum(each() is not None for each in made))

    signals.post_init.connect(count, Guest)
    try:
        for row in Guest.objects.order_by("seat").iterator():
            assert row.email == email(row.seat)
    finally:
        signals.post_init.disconnect(count, Guest)
    assert len(made) == 3 * LoadedRows.SIZE
    assert max(alive) <= LoadedRows.SIZE + 2  # with those in a variable


def test_other_forms_of_a_query_return_their_objects() -> None:
    query = Guest.objects.order_by("seat")
    assert [row.email for row in query[1:3]] == emails()[1:3]
    assert [row.email for row in query.annotate(twice=models.F("seat") * 2)] == emails()
    assert {row.email for row in query[:0].union(Guest.objects.filter(seat__gt=0))} == {
        *emails()[1:]
    }
    assert [row.email for row in Guest.objects.in_bulk().values()] == [
        row.email for row in Guest.objects.all()
    ]
    assert [row.email for row in Guest.objects.raw("SELECT * FROM guests_guest ORDER BY seat")] == (
        emails()
    )
    assert list(query.values_list("seat", flat=True)) == list(range(ROWS))


def send_parcels() -> None:
    """Send a parcel from each guest to the guest in the opposite seat."""
    rows = load()
    Parcel.objects.bulk_create(
        Parcel(id=seat, sender=rows[seat], receiver=rows[-1 - seat]) for seat in range(ROWS)
    )


@pytest.mark.filterwarnings(r"ignore:Calling select_related\(\) with no arguments")  # Django 6.1
@pytest.mark.parametrize("names", [(), ("sender", "receiver")])
def test_related_objects_of_a_query_are_decrypted_together(names: tuple[str, ...]) -> None:
    send_parcels()
    rows = list(Parcel.objects.select_related(*names).order_by("id"))
    senders, receivers = [row.sender for row in rows], [row.receiver for row in rows]
    assert [senders[0].email, senders[1].email] == emails()[:2]
    assert decrypted(senders, "email") == list(range(ROWS))
    assert decrypted(receivers, "email") == []
    assert [row.email for row in receivers] == emails()[::-1]


def test_many_queries_before_leave_the_objects_of_each_together() -> None:
    send_parcels()
    for _ in range(70):
        load()  # three lists in each turn, so that one turn fills the noted ones in its middle
        rows = list(Parcel.objects.select_related("sender", "receiver").order_by("id"))
        assert len({id(row.sender.__dict__[LOADED_WITH]) for row in rows}) == 1


def test_related_objects_that_stream_are_read() -> None:
    send_parcels()
    rows = Parcel.objects.select_related("sender").order_by("id").iterator(chunk_size=2)
    assert [row.sender.email for row in rows] == emails()


def test_related_object_that_fails_does_so_alone() -> None:
    send_parcels()
    run("UPDATE guests_guest SET email = x'01' WHERE seat = 3")
    senders = [row.sender for row in Parcel.objects.select_related("sender").order_by("id")]
    assert [senders[0].email, senders[1].email] == emails()[:2]
    with pytest.raises(DecryptionFailed):
        assert senders[3].email
    assert decrypted(senders, "email") == [0, 1, 2, 4]


def test_fetch_mode_of_a_query_is_passed_to_django() -> None:
    row = Ticket.from_db("default", ["id", "email"], [uuid4(), None], fetch_mode="peers")
    assert row.loaded_with == "peers"


def test_objects_of_another_manager_or_of_sql_are_decrypted_together() -> None:
    sql = "SELECT * FROM guests_guest ORDER BY seat"
    for rows in (list(Guest.plain.order_by("seat")), list(Guest.objects.raw(sql))):
        assert [rows[0].email, rows[3].email] == [email(0), email(3)]
        assert decrypted(rows, "email") == list(range(ROWS))


def test_objects_of_queries_that_run_at_once_have_lists_of_their_own() -> None:
    query = Guest.objects.order_by("seat")
    one, other = query.iterator(chunk_size=2), query.iterator(chunk_size=2)
    for first, second in zip(one, other, strict=True):
        assert first.email == second.email
        assert LoadedRows.find(first) is not LoadedRows.find(second)
