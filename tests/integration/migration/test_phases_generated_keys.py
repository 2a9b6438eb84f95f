"""Phases of a migration on keys that the database generates: a refusing guard lets inserts through.

The other tests of phases have keys of the application, which differ in an insert only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from app_integration.integrations import sqlalchemy as mapped
from app_integration.integrations.plaintext import Phase
from tests.support.databases.guarded_members import (
    GENERATED,
    ROWS,
    GuardedMembers,
    guarded_members,
)
from tests.support.orms import django_orm, sqlalchemy_orm
from tests.support.orms.django_orm import DjangoOrm
from tests.support.orms.members import BORN, VERSIONS
from tests.support.orms.members import members as members_table
from tests.support.orms.orm import Key

pytestmark = pytest.mark.requires("embedded")

COUNT: Final = 10


TABLES: Final = {phase: members_table(Key.GENERATED, phase) for phase in VERSIONS}
CLASSES: Final = {phase: sqlalchemy_orm.build(table) for phase, table in TABLES.items()}
MODELS: Final = {phase: django_orm.build(table) for phase, table in TABLES.items()}


@pytest.fixture(params=GENERATED)
def members(
    request: pytest.FixtureRequest, default_client_on_server: None
) -> Iterator[GuardedMembers]:
    del default_client_on_server
    with guarded_members(request.param) as members, DjangoOrm.connected(members.engine):
        yield members


def values(number: int) -> dict[str, Any]:
    return {"email": f"New{number}@example.com", "born": BORN, "club": f"c{number}"}


def insert_mapped(members: GuardedMembers, owner: Any) -> list[Any]:
    """Return the keys of objects that are flushed, one alone and many, and of rows without them."""
    with Session(members.engine) as session:
        session.add(alone := owner(**values(0)))
        session.flush()
        many = [owner(**values(number)) for number in range(1, COUNT)]
        session.add_all(many)
        session.commit()
        reserved = mapped.reserve_keys(session, owner, COUNT)
        rows = [
            mapped.column_values(owner, {"id": key, **values(number)})
            for number, key in enumerate(reserved)
        ]
        session.execute(insert(owner).values(rows[:3]))
        session.execute(insert(owner), rows[3:])
        session.commit()
        return [alone.id, *(row.id for row in many), *reserved]


def insert_models(model: Any) -> list[Any]:
    """Return the keys of objects that are created, saved, and created in bulk."""
    created = [model.objects.create(**values(number)) for number in range(2)]
    created.append(model(**values(2)))
    created[-1].save()
    found, is_new = model.objects.update_or_create(club="c3", visits=-1, defaults=values(3))
    assert is_new
    model.objects.filter(pk=found.pk).update(visits=0)
    many = [model(**values(number)) for number in range(4, COUNT)]
    model.objects.bulk_create(many)
    return [row.pk for row in (*created, found, *many)]


def test_inserted_rows_have_the_pairs_of_each_phase(members: GuardedMembers) -> None:
    expected, seen = ROWS, set[int]()
    for phase in VERSIONS:
        if phase is Phase.SWITCHED:
            members.backfill()
        keys = [*insert_mapped(members, CLASSES[phase]), *insert_models(MODELS[phase])]
        expected += len(keys)
        assert seen.isdisjoint(keys)
        seen |= {*keys}
        for number, key in enumerate(keys):
            value = values(number % COUNT)
            members.check(phase or Phase.NULLING, key, value["email"], value["born"])
            assert members.read(key).club == value["club"]
        with Session(members.engine) as session:
            row = session.get_one(CLASSES[phase], keys[-1])
            assert row.email == MODELS[phase].objects.get(pk=keys[-1]).email is not None
        if phase in (Phase.DUAL_WRITING, Phase.SWITCHED):
            members.check_refusal(keys[0])
    assert len(members.read_all()) == expected
