"""Phases of a migration in SQLAlchemy: its statements, keys that change, and two sessions."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import uuid4

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app_integration.integrations.plaintext import Phase
from app_integration.integrations.sqlalchemy import (
    column_values,
    is_indexed_now,
    renew,
)
from tests.support.databases.guarded_members import GuardedMembers
from tests.support.orms import sqlalchemy_orm
from tests.support.orms.members import members as members_table
from tests.support.orms.orm import Key

pytestmark = pytest.mark.requires("embedded")

BORN: Final = date(1815, 12, 10)


CLASSES: Final[dict[Phase, Any]] = {
    phase: sqlalchemy_orm.build(members_table(Key.DRAWN, phase)) for phase in Phase
}


def first(session: Session, owner: Any) -> Any:
    """Return the first row with all values."""
    return session.scalars(select(owner).where(owner.born.is_not(None))).first()


def test_changed_value_leaves_the_other_column(members: GuardedMembers, phase: Phase) -> None:
    """It may have no token yet, and nobody read it."""
    with Session(members.engine) as session:
        for row in session.scalars(select(CLASSES[phase])).all():
            before = members.read(row.id)
            row.email = "new@example.com"
            session.commit()
            after = members.read(row.id)
            assert (after.born, after.born_token) == (before.born, before.born_token)


def test_inserted_values_have_the_pair_of_their_phase(
    members: GuardedMembers, phase: Phase
) -> None:
    owner, key = CLASSES[phase], uuid4()
    values = {"id": key, "club": "b", "email": "bulk@example.com", "born": None}
    with Session(members.engine) as session:
        session.execute(insert(owner), [column_values(owner, values)])
        session.commit()
    members.check(phase, key, "bulk@example.com")


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
