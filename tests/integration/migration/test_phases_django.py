"""Phases of a migration in Django: a refusing guard lets models through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from itertools import pairwise
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from app_integration.integrations.plaintext import Phase
from tests.support.databases import django_project
from tests.support.databases.guarded_members import ROWS, GuardedMembers, guarded_members

django_project.set_up()

from django.db import DatabaseError, models, transaction  # noqa: E402 (Django must be set up first)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
    find,
)

pytestmark = pytest.mark.requires("embedded")

BORN: Final = date(1815, 12, 10)


def member_model(in_phase: Phase | None) -> Any:
    """Return the model of one version of the application; None for that after the last."""

    def plaintext(name: str) -> str | None:
        return None if in_phase is None else name

    class Member(EncryptedModel):
        id = models.UUIDField(primary_key=True, default=uuid4, db_column="member_id")
        club = models.TextField()
        visits = models.IntegerField(default=0)
        if in_phase is not None:
            email_plain = models.TextField(db_column="email", null=True)
            born_plain = models.DateField(db_column="born", null=True)
        email = EncryptedField(
            "members.email",
            context=["id", "club"],
            index="email_index",
            null=True,
            db_column="email_token",
            plaintext=plaintext("email_plain"),
            phase=in_phase,
        )
        born = EncryptedField(
            "members.born",
            date,
            context=["id", "club"],
            null=True,
            db_column="born_token",
            plaintext=plaintext("born_plain"),
            phase=in_phase,
        )
        email_index = BlindIndexField(
            "members.email", of=["email"], rows=100_000, normalise="email"
        )

        class Meta:
            app_label = f"members_{in_phase and in_phase.name}"
            db_table = "members"
            managed = False

    return Member


MODELS: Final = {phase: member_model(phase) for phase in (*Phase, None)}


@pytest.fixture
def members(default_client_on_server: None) -> Iterator[GuardedMembers]:
    del default_client_on_server
    with guarded_members() as members, closing(members.engine.raw_connection()) as raw:
        connection: Any = raw.driver_connection
        with django_project.connected(connection.info):
            yield members


@pytest.fixture(params=[*Phase])
def phase(request: pytest.FixtureRequest, members: GuardedMembers) -> Phase:
    """Return each phase, with the table as it is then."""
    found: Phase = request.param
    if found is not Phase.DUAL_WRITING:
        members.backfill()
    return found


def first(model: Any) -> Any:
    """Return the first object with all values."""
    return model.objects.filter(born__isnull=False).order_by("visits", "id").first()


def test_created_row_has_the_pair_of_its_phase(members: GuardedMembers, phase: Phase) -> None:
    model = MODELS[phase]
    ada = model.objects.create(email="Ada@Example.com", born=BORN, club="a")
    eve, is_new = model.objects.get_or_create(email="eve@example.com", defaults={"club": "e"})
    assert is_new
    again, is_new = model.objects.get_or_create(email="eve@example.com", defaults={"club": "x"})
    assert (again, is_new) == (eve, False)
    bob, _ = model.objects.update_or_create(club="bob", defaults={"email": "bob@example.com"})
    many = [model(club=f"m{number}", email=f"bulk{number}@example.com") for number in range(5)]
    model.objects.bulk_create([*many, empty := model(club="empty")])
    members.check(phase, ada.pk, "Ada@Example.com", BORN)
    members.check(phase, eve.pk, "eve@example.com")
    members.check(phase, bob.pk, "bob@example.com")
    members.check(phase, empty.pk, None)
    for each in many:
        members.check(phase, each.pk, each.email)
    read = model.objects.get(pk=ada.pk)
    assert (read.email, read.born) == ("Ada@Example.com", BORN)
    if phase is not Phase.NULLING:
        members.check_refusal(ada.pk)


def save(row: Any) -> None:
    row.save()


def save_fields(row: Any) -> None:
    row.save(update_fields=["email", "born"])


def save_bulk(row: Any) -> None:
    type(row).objects.bulk_update([row], ["email", "born"])


def insert_or_update(row: Any) -> None:
    type(row).objects.bulk_create(
        [row], update_conflicts=True, update_fields=["email", "born"], unique_fields=["id"]
    )


@pytest.mark.parametrize("write", [save, save_fields, save_bulk, insert_or_update])
def test_changed_value_brings_its_pair(
    members: GuardedMembers, phase: Phase, write: Callable[[Any], None]
) -> None:
    for number, row in enumerate(MODELS[phase].objects.all()):
        row.email, row.born = f"new{number}@example.com", BORN
        write(row)
        members.check(phase, row.pk, f"new{number}@example.com", BORN)
        row.email = "again@example.com"
        write(row)
        members.check(phase, row.pk, "again@example.com", BORN)
        row.refresh_from_db()
        assert (row.email, row.born) == ("again@example.com", BORN)
        write(row)
        members.check(phase, row.pk, "again@example.com", BORN)
        row.email, row.born = None, None
        write(row)
        members.check(phase, row.pk, None)
    members.check_refusal(row.pk)


def test_unrelated_change_leaves_the_pair(members: GuardedMembers, phase: Phase) -> None:
    model, before = MODELS[phase], {row.member_id: row for row in members.read_all()}
    for row in model.objects.all():
        assert row.email
        row.visits += 1
        row.save(update_fields=["visits"])
    for row in model.objects.only("visits"):
        row.visits += 1
        row.save()
    model.objects.update(visits=models.F("visits") + 1)
    after = members.read_all()
    assert len(after) == ROWS
    assert {row.visits for row in after} == {3}
    assert all(row.written == before[row.member_id].written for row in after)


def test_saved_object_that_was_not_changed_has_its_pair(
    members: GuardedMembers, phase: Phase
) -> None:
    for row in MODELS[phase].objects.all():
        before = members.read(row.pk)
        row.save()
        after = members.read(row.pk)
        members.check(phase, row.pk, before.email, before.born)
        if phase is Phase.SWITCHED:
            assert after == before
        row.save()
        members.check(phase, row.pk, before.email, before.born)
        if phase is not Phase.DUAL_WRITING:
            assert members.read(row.pk) == after


@pytest.mark.parametrize("fields", [None, ["club"]])
def test_changed_context_brings_new_tokens(
    members: GuardedMembers, phase: Phase, fields: list[str] | None
) -> None:
    for number, row in enumerate(MODELS[phase].objects.all()):
        before = members.read(row.pk)
        row.club = f"new{number}"
        if number % 2:
            assert (row.email, row.born) == (before.email, before.born)
        row.save(update_fields=fields)
        assert members.read(row.pk).club == f"new{number}"
        members.check(phase, row.pk, before.email, before.born)
        assert members.read(row.pk).email_token != before.email_token
        row.club = "bulk"
        type(row).objects.bulk_update([row], ["club"])
        members.check(phase, row.pk, before.email, before.born)
        assert (row.email, row.born) == (before.email, before.born)


def test_copied_row_has_tokens_of_its_own(members: GuardedMembers, phase: Phase) -> None:
    row = first(MODELS[phase])
    before = members.read(row.pk)
    row.pk, row._state.adding = uuid4(), True
    row.save()
    members.check(phase, row.pk, before.email, before.born)
    assert members.read(before.member_id) == before


def test_cleared_rows_have_no_pair(members: GuardedMembers, phase: Phase) -> None:
    MODELS[phase].objects.update(email=None, born=None)
    for row in members.read_all():
        members.check(phase, row.member_id, None)


def test_deleted_row_is_gone(members: GuardedMembers, phase: Phase) -> None:
    MODELS[phase].objects.first().delete()
    MODELS[phase].objects.all().delete()
    assert members.read_all() == []


@pytest.mark.usefixtures("members")
def test_rows_are_found(phase: Phase) -> None:
    model = MODELS[phase]
    (found,) = find(model.objects, "email", "Member7@example.com")
    assert (found.club, found.email) == ("c7", "Member7@example.com")
    either = model.objects.filter(email__in=["Member7@example.com", "Member8@example.com"])
    assert {row.club for row in either} == {"c7", "c8"}
    assert model.objects.filter(born=None).count() == ROWS / 2
    assert {row.email for row in model.objects.raw("SELECT * FROM members")} == {
        f"Member{number}@example.com" for number in range(1, ROWS + 1)
    }


def test_plaintext_field_alone_is_refused(members: GuardedMembers, phase: Phase) -> None:
    model = MODELS[phase]
    row = first(model)
    before = members.read(row.pk)
    for values in ({"email_plain": "bypass@example.com"}, {"born_plain": BORN}):
        with pytest.raises(DatabaseError, match="brought no new token"), transaction.atomic():
            model.objects.update(**values)
    assert members.read(row.pk) == before


def test_versions_side_by_side_see_each_others_writes(members: GuardedMembers) -> None:
    versions = list(MODELS.values())
    key: UUID = members.read_all()[0].member_id
    for old, new in pairwise(versions):
        if old is versions[0]:
            members.backfill()
        for number, (writing, reading) in enumerate([(old, new), (new, old)] * 2):
            email, loaded = f"Side{number}@example.com", reading.objects.get(pk=key)
            row = writing.objects.get(pk=key)
            row.email, row.born, row.club = email, BORN, f"club{number}"
            row.save()
            seen = reading.objects.get(pk=key)
            assert (seen.email, seen.born, seen.club) == (email, BORN, f"club{number}")
            assert find(reading.objects, "email", email) == [seen]
            loaded.visits += 1
            loaded.save(update_fields=["visits"])
            assert writing.objects.get(pk=key).email == email
            row.email = None
            row.save()
            assert reading.objects.get(pk=key).email is None
            seen.save()  # with all that it has loaded before
            assert writing.objects.get(pk=key).email == email
            members.check_tokens(members.read(key), email, BORN)
        members.check_refusal(key)
