"""Phases of a migration in Django: its ways to write, and objects that are loaded in part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from app_integration.integrations.plaintext import Phase
from tests.support.databases import django_project
from tests.support.databases.guarded_members import ROWS, GuardedMembers
from tests.support.orms import django_orm
from tests.support.orms.django_orm import DjangoOrm
from tests.support.orms.members import BORN, VERSIONS
from tests.support.orms.members import members as members_table
from tests.support.orms.orm import Key

django_project.set_up()

from django.db import models  # noqa: E402 (Django must be set up first)

pytestmark = pytest.mark.requires("embedded")


MODELS: Final[dict[Phase | None, Any]] = {
    phase: django_orm.build(members_table(Key.DRAWN, phase)) for phase in VERSIONS
}


@pytest.fixture(autouse=True)
def _connected(members: GuardedMembers) -> Iterator[None]:
    with DjangoOrm.connected(members.engine):
        yield


def first(model: Any) -> Any:
    """Return the first object with all values."""
    return model.objects.filter(born__isnull=False).order_by("visits", "id").first()


def test_row_that_is_created_or_found_has_the_pair_of_its_phase(
    members: GuardedMembers, phase: Phase
) -> None:
    model = MODELS[phase]
    eve, is_new = model.objects.get_or_create(email="eve@example.com", defaults={"club": "e"})
    assert is_new
    again, is_new = model.objects.get_or_create(email="eve@example.com", defaults={"club": "x"})
    assert (again, is_new) == (eve, False)
    bob, _ = model.objects.update_or_create(club="bob", defaults={"email": "bob@example.com"})
    members.check(phase, eve.pk, "eve@example.com")
    members.check(phase, bob.pk, "bob@example.com")


def save_fields(row: Any) -> None:
    row.save(update_fields=["email", "born"])


def save_bulk(row: Any) -> None:
    type(row).objects.bulk_update([row], ["email", "born"])


def insert_or_update(row: Any) -> None:
    type(row).objects.bulk_create(
        [row], update_conflicts=True, update_fields=["email", "born"], unique_fields=["id"]
    )


@pytest.mark.parametrize("write", [save_fields, save_bulk, insert_or_update])
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


def test_partly_loaded_object_and_statement_leave_the_pair(
    members: GuardedMembers, phase: Phase
) -> None:
    model, before = MODELS[phase], {row.member_id: row for row in members.read_all()}
    for row in model.objects.only("visits"):
        row.visits += 1
        row.save()
    model.objects.update(visits=models.F("visits") + 1)
    after = members.read_all()
    assert len(after) == ROWS
    assert {row.visits for row in after} == {2}
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


def test_changed_context_alone_brings_new_tokens(members: GuardedMembers, phase: Phase) -> None:
    for number, row in enumerate(MODELS[phase].objects.all()):
        before = members.read(row.pk)
        row.club = f"new{number}"
        row.save(update_fields=["club"])
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


@pytest.mark.usefixtures("members")
def test_rows_of_a_statement_are_read(phase: Phase) -> None:
    rows = MODELS[phase].objects.raw("SELECT * FROM members")
    assert {row.email for row in rows} == {
        f"Member{number}@example.com" for number in range(1, ROWS + 1)
    }


def test_versions_side_by_side_keep_what_stale_objects_save(members: GuardedMembers) -> None:
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
            assert seen.email == email
            loaded.visits += 1
            loaded.save(update_fields=["visits"])
            assert writing.objects.get(pk=key).email == email
            row.email = None
            row.save()
            seen.save()  # with all that it has loaded before
            assert writing.objects.get(pk=key).email == email
            members.check_tokens(members.read(key), email, BORN)
        members.check_refusal(key)
