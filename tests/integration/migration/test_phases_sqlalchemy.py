"""Phases of a migration in SQLAlchemy: a refusing guard lets mapped classes through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration.integrations.plaintext import Phase
from app_integration.integrations.sqlalchemy import (
    Encrypted,
    EncryptedRow,
    Index,
    Plaintext,
    column_values,
    find,
    is_indexed_now,
    renew,
)
from tests.support.databases.guarded_members import ROWS, GuardedMembers, guarded_members

pytestmark = pytest.mark.requires("embedded")

BORN: Final = date(1815, 12, 10)


def member_class(phase: Phase | None) -> Any:
    """Return the mapped class of one version of the application; None for that after the last."""

    class Base(DeclarativeBase):
        pass

    def plaintext(column: str) -> Plaintext | None:
        return None if phase is None else Plaintext(column, phase)

    class Member(EncryptedRow, Base):
        __tablename__ = "members"

        id: Mapped[UUID] = mapped_column("member_id", primary_key=True, default=uuid4)
        club: Mapped[str]
        visits: Mapped[int] = mapped_column(default=0)
        email = Encrypted(
            "members.email",
            context=["id", "club"],
            index=Index(100_000, normalise="email"),
            nullable=True,
            column="email_token",
            plaintext=plaintext("email"),
        )
        born = Encrypted(
            "members.born",
            date,
            context=["id", "club"],
            nullable=True,
            column="born_token",
            plaintext=plaintext("born"),
        )

    return Member


CLASSES: Final = {phase: member_class(phase) for phase in (*Phase, None)}


def first(session: Session, owner: Any) -> Any:
    """Return the first row with all values."""
    return session.scalars(select(owner).where(owner.born.is_not(None))).first()


@pytest.fixture
def members(default_client_on_server: None) -> Iterator[GuardedMembers]:
    del default_client_on_server
    with guarded_members() as members:
        yield members


@pytest.fixture(params=[*Phase])
def phase(request: pytest.FixtureRequest, members: GuardedMembers) -> Phase:
    """Return each phase, with the table as it is then."""
    found: Phase = request.param
    if found is not Phase.DUAL_WRITING:
        members.backfill()
    return found


def test_created_row_has_the_pair_of_its_phase(members: GuardedMembers, phase: Phase) -> None:
    owner = CLASSES[phase]
    with Session(members.engine) as session:
        ada = owner(email="Ada@Example.com", born=BORN, club="a")  # the context comes last
        eve = owner(club="e", email="eve@example.com")
        empty = owner(club="x")
        session.add_all([ada, eve, empty])
        session.commit()
        keys = ada.id, eve.id, empty.id
        values: dict[str, Any] = {
            "id": uuid4(),
            "club": "b",
            "email": "bulk@example.com",
            "born": None,
        }
        session.execute(insert(owner), [column_values(owner, values)])
        session.commit()
    members.check(phase, keys[0], "Ada@Example.com", BORN)
    members.check(phase, keys[1], "eve@example.com")
    members.check(phase, keys[2], None)
    members.check(phase, values["id"], "bulk@example.com")
    with Session(members.engine) as session:
        read = session.get_one(owner, keys[0])
        assert (read.email, read.born) == ("Ada@Example.com", BORN)
    for key in (*keys[:2], values["id"]):
        if phase is not Phase.NULLING:
            members.check_refusal(key)


def test_changed_value_brings_its_pair(members: GuardedMembers, phase: Phase) -> None:
    owner = CLASSES[phase]
    with Session(members.engine) as session:
        for number, row in enumerate(session.scalars(select(owner)).all()):
            before = members.read(row.id)
            row.email = f"new{number}@example.com"
            session.commit()
            # The other column is as it was: it may have no token yet, and nobody read it.
            after = members.read(row.id)
            assert (after.born, after.born_token) == (before.born, before.born_token)
            row.born = BORN
            session.commit()
            members.check(phase, row.id, f"new{number}@example.com", BORN)
            row.email, row.born = None, None
            session.commit()
            members.check(phase, row.id, None)
    members.check_refusal(row.id)


def test_unrelated_change_leaves_the_pair(members: GuardedMembers, phase: Phase) -> None:
    owner, before = CLASSES[phase], {row.member_id: row for row in members.read_all()}
    with Session(members.engine) as session:
        for row in session.scalars(select(owner)):
            row.visits += 1
            assert row.email
        session.commit()
    after = members.read_all()
    assert len(after) == ROWS
    assert {row.visits for row in after} == {1}
    assert all(row.written == before[row.member_id].written for row in after)


def test_changed_context_brings_new_tokens(members: GuardedMembers, phase: Phase) -> None:
    owner = CLASSES[phase]
    with Session(members.engine) as session:
        for number, row in enumerate(session.scalars(select(owner)).all()):
            email, born, before = row.email, row.born, members.read(row.id)
            if number % 2:
                session.expire(row)
            row.club = f"new{number}"
            assert (row.email, row.born) == (email, born)
            session.commit()
            members.check(phase, row.id, email, born)
            row.id = uuid4()
            assert (row.email, row.born) == (email, born)
            session.commit()
            members.check(phase, row.id, email, born)
            assert members.read(row.id).email_token != before.email_token
            row.club = "rolled back"
            session.rollback()
            assert (row.club, row.email, row.born) == (f"new{number}", email, born)


def test_deleted_row_is_gone(members: GuardedMembers, phase: Phase) -> None:
    with Session(members.engine) as session:
        for row in session.scalars(select(CLASSES[phase])):
            session.delete(row)
        session.commit()
    assert members.read_all() == []


def test_rows_are_found(members: GuardedMembers, phase: Phase) -> None:
    owner = CLASSES[phase]
    with Session(members.engine) as session:
        (found,) = find(session, owner.email, "Member7@example.com")
        assert (found.club, found.email) == ("c7", "Member7@example.com")
        either = owner.email.in_(["Member7@example.com", "Member8@example.com"])
        assert {row.club for row in session.scalars(select(owner).where(either))} == {"c7", "c8"}
        assert len(session.scalars(select(owner).where(owner.born.is_(None))).all()) == ROWS / 2


def test_renewed_row_has_new_tokens(members: GuardedMembers, phase: Phase) -> None:
    owner = CLASSES[phase]
    with Session(members.engine) as session:
        row = first(session, owner)
        assert is_indexed_now(row) == (phase is not Phase.DUAL_WRITING)
        email, born, before = row.email, row.born, members.read(row.id)
        renew(row)
        session.commit()
        assert is_indexed_now(row)
        members.check(phase, row.id, email, born)
        assert members.read(row.id).email_token != before.email_token


def test_plaintext_attribute_alone_is_refused(members: GuardedMembers, phase: Phase) -> None:
    owner = CLASSES[phase]
    with Session(members.engine) as session:
        row = first(session, owner)
        key, before = row.id, members.read(row.id)
        row.email_plaintext = "bypass@example.com"
        with pytest.raises(DBAPIError, match="brought no new token"):
            session.commit()
        session.rollback()
        with pytest.raises(DBAPIError, match="brought no new token"):
            session.execute(update(owner).values(email_plaintext="bypass@example.com"))
    assert members.read(key) == before


def test_value_that_another_process_changed_is_replaced_as_a_whole(
    members: GuardedMembers, phase: Phase
) -> None:
    owner = CLASSES[phase]
    with Session(members.engine) as one, Session(members.engine) as other:
        mine = first(one, owner)
        email, key = mine.email, mine.id
        assert email is not None
        other.get_one(owner, key).email = "other@example.com"
        other.commit()
        mine.email = email  # what it has loaded, so SQLAlchemy sees no change of the plaintext
        one.commit()
        row = members.read(key)
        assert row.email == (None if phase is Phase.NULLING else email)
        members.check_tokens(row._replace(born_token=None), email, None)
        other.expire_all()
        theirs = other.get_one(owner, key)
        assert theirs.email == email
        mine.email = "mine@example.com"
        one.commit()
        theirs.email = None
        other.commit()
        assert mine.email is None
        mine.email = "mine@example.com"
        one.commit()


def test_versions_side_by_side_see_each_others_writes(members: GuardedMembers) -> None:
    versions = list(CLASSES.values())
    key = members.read_all()[0].member_id
    for old, new in pairwise(versions):
        if old is versions[0]:
            members.backfill()
        with Session(members.engine) as one, Session(members.engine) as other:
            for number, (writing, reading, written, read) in enumerate(
                [(one, other, old, new), (other, one, new, old)] * 2
            ):
                email = f"{old.email.name}{number}@example.com"
                row = writing.get_one(written, key)
                row.email, row.born = email, BORN
                row.club = f"club{number}"
                writing.commit()
                reading.expire_all()
                seen = reading.get_one(read, key)
                assert (seen.email, seen.born, seen.club) == (email, BORN, f"club{number}")
                assert find(reading, read.email, email) == [seen]
                reading.commit()
                writing.get_one(written, key).email = None
                writing.commit()
                assert seen.email is None
                reading.commit()
        members.check_refusal(key)
