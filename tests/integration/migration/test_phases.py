"""Phases of a migration in either ORM: a refusing guard lets its objects through."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import pytest

from app_integration.integrations.plaintext import Phase
from tests.support.databases.guarded_members import ROWS, GuardedMembers
from tests.support.orms.members import BORN, VERSIONS
from tests.support.orms.members import members as members_table
from tests.support.orms.orm import Key, Table
from tests.support.orms.orms import ORMS, Orm

pytestmark = pytest.mark.requires("embedded")

TABLES: Final = {phase: members_table(Key.DRAWN, phase) for phase in VERSIONS}


@pytest.fixture(params=[*ORMS])
def orm(request: pytest.FixtureRequest, members: GuardedMembers) -> Iterator[Orm]:
    with ORMS[request.param].connected(members.engine) as orm:
        yield orm


@pytest.fixture
def table(phase: Phase) -> Table:
    return TABLES[phase]


def test_created_row_has_the_pair_of_its_phase(
    orm: Orm, members: GuardedMembers, phase: Phase, table: Table
) -> None:
    owner = orm.owner(table)
    ada = owner(email="Ada@Example.com", born=BORN, club="a")  # the context comes last
    eve, empty = owner(club="e", email="eve@example.com"), owner(club="x")
    many = [owner(club=f"m{number}", email=f"bulk{number}@example.com") for number in range(5)]
    orm.add(ada, eve, empty)
    orm.add_all(many)
    members.check(phase, ada.id, "Ada@Example.com", BORN)
    members.check(phase, empty.id, None)
    for row in (eve, *many):
        members.check(phase, row.id, row.email)
    read = orm.get(table, ada.id)
    assert (read.email, read.born) == ("Ada@Example.com", BORN)
    if phase is not Phase.NULLING:
        for row in (ada, eve, many[0]):
            members.check_refusal(row.id)


def test_changed_value_brings_its_pair(
    orm: Orm, members: GuardedMembers, phase: Phase, table: Table
) -> None:
    rows = orm.all(table)
    for number, row in enumerate(rows):
        row.email, row.born = f"new{number}@example.com", BORN
        orm.save(row)
        members.check(phase, row.id, f"new{number}@example.com", BORN)
        row.email = "again@example.com"
        orm.save(row)
        members.check(phase, row.id, "again@example.com", BORN)
        orm.refresh(row)
        assert (row.email, row.born) == ("again@example.com", BORN)
        row.email, row.born = None, None
        orm.save(row)
        members.check(phase, row.id, None)
    members.check_refusal(rows[-1].id)


def test_unrelated_change_leaves_the_pair(orm: Orm, members: GuardedMembers, table: Table) -> None:
    before = {row.member_id: row for row in members.read_all()}
    for row in orm.all(table):
        assert row.email
        row.visits += 1
        orm.save_only(row, "visits")
    after = members.read_all()
    assert len(after) == ROWS
    assert {row.visits for row in after} == {1}
    assert all(row.written == before[row.member_id].written for row in after)


def test_changed_context_brings_new_tokens(
    orm: Orm, members: GuardedMembers, phase: Phase, table: Table
) -> None:
    for number, row in enumerate(orm.all(table)):
        before = members.read(row.id)
        row.club = f"new{number}"
        if number % 2:
            assert (row.email, row.born) == (before.email, before.born)
        orm.save(row)
        assert members.read(row.id).club == f"new{number}"
        members.check(phase, row.id, before.email, before.born)
        assert members.read(row.id).email_token != before.email_token


def test_deleted_row_is_gone(orm: Orm, members: GuardedMembers, table: Table) -> None:
    orm.delete(*orm.all(table))
    assert members.read_all() == []


def test_rows_are_found(orm: Orm, table: Table) -> None:
    (found,) = orm.find(table, "email", "Member7@example.com")
    assert (found.club, found.email) == ("c7", "Member7@example.com")
    either = orm.where(table, "email", ["Member7@example.com", "Member8@example.com"])
    assert {row.club for row in either} == {"c7", "c8"}
    assert len(orm.where(table, "born", None)) == ROWS / 2


def test_plaintext_alone_is_refused(orm: Orm, members: GuardedMembers, table: Table) -> None:
    before = members.read_all()
    for name, value in (("email", "bypass@example.com"), ("born", BORN)):
        with pytest.raises(orm.database_error, match="brought no new token"):
            orm.write_plaintext(table, name, value)
    assert members.read_all() == before


def test_versions_side_by_side_see_each_others_writes(orm: Orm, members: GuardedMembers) -> None:
    key = members.read_all()[0].member_id
    for old, new in pairwise(TABLES.values()):
        if old is TABLES[Phase.DUAL_WRITING]:
            members.backfill()
        for number, (writing, reading) in enumerate([(old, new), (new, old)] * 2):
            email, seen = f"Side{number}@example.com", orm.get(reading, key)
            club = f"club{number}"
            orm.change_elsewhere(writing, key, email=email, born=BORN, club=club)
            orm.refresh(seen)
            assert (seen.email, seen.born, seen.club) == (email, BORN, club)
            assert [row.id for row in orm.find(reading, "email", email)] == [key]
            members.check_tokens(members.read(key), email, BORN)
            orm.change_elsewhere(writing, key, email=None)
            orm.refresh(seen)
            assert seen.email is None
        members.check_refusal(key)
