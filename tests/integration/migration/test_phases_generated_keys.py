"""Phases of a migration on keys that the database generates: a refusing guard lets inserts through.

The other tests of phases have keys of the application, which differ in an insert only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any, Final

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration.integrations import sqlalchemy as mapped
from app_integration.integrations.plaintext import Phase
from tests.support.databases import django_project
from tests.support.databases.guarded_members import (
    GENERATED,
    ROWS,
    GuardedMembers,
    guarded_members,
)

django_project.set_up()

from django.db import models  # noqa: E402 (Django must be set up first)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
)

pytestmark = pytest.mark.requires("embedded")

BORN: Final = date(1815, 12, 10)
VERSIONS: Final = (*Phase, None)
COUNT: Final = 10


def member_class(phase: Phase | None) -> Any:
    """Return the mapped class of one version of the application; None for that after the last."""

    class Base(DeclarativeBase):
        pass

    def plaintext(column: str) -> Any:
        return None if phase is None else mapped.Plaintext(column, phase)

    class Member(mapped.EncryptedRow, Base):
        __tablename__ = "members"

        id: Mapped[int] = mapped_column("member_id", primary_key=True)
        club: Mapped[str]
        visits: Mapped[int] = mapped_column(default=0)
        email = mapped.Encrypted(
            "members.email",
            context=["id", "club"],
            index=mapped.Index(100_000, normalise="email"),
            nullable=True,
            column="email_token",
            plaintext=plaintext("email"),
        )
        born = mapped.Encrypted(
            "members.born",
            date,
            context=["id", "club"],
            nullable=True,
            column="born_token",
            plaintext=plaintext("born"),
        )

    return Member


def member_model(in_phase: Phase | None) -> Any:
    """Return the model of one version of the application; None for that after the last."""
    bound: dict[str, Any] = {"context": ["id", "club"], "null": True}

    def migrated(name: str) -> dict[str, Any]:
        column = {"db_column": f"{name}_token"}
        return column | ({"plaintext": f"{name}_plain", "phase": in_phase} if in_phase else {})

    class Member(EncryptedModel):
        id = models.BigAutoField(primary_key=True, db_column="member_id")
        club = models.TextField()
        visits = models.IntegerField(default=0)
        if in_phase is not None:
            email_plain = models.TextField(db_column="email", null=True)
            born_plain = models.DateField(db_column="born", null=True)
        email = EncryptedField("members.email", index="email_index", **bound, **migrated("email"))
        born = EncryptedField("members.born", date, **bound, **migrated("born"))
        email_index = BlindIndexField(
            "members.email", of=["email"], rows=100_000, normalise="email"
        )

        class Meta:
            app_label = f"generated_{in_phase and in_phase.name}"
            db_table = "members"
            managed = False

    return Member


CLASSES: Final = {phase: member_class(phase) for phase in VERSIONS}
MODELS: Final = {phase: member_model(phase) for phase in VERSIONS}


@pytest.fixture(params=GENERATED)
def members(
    request: pytest.FixtureRequest, default_client_on_server: None
) -> Iterator[GuardedMembers]:
    del default_client_on_server
    with (
        guarded_members(request.param) as members,
        closing(members.engine.raw_connection()) as raw,
    ):
        connection: Any = raw.driver_connection
        with django_project.connected(connection.info):
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
