"""What only SQLAlchemy has of keys that PostgreSQL generates: its inserts, mappings and upserts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    ForeignKey,
    Identity,
    Integer,
    String,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from app_integration import async_database_engine
from app_integration.errors import ConfigurationError, EncryptionError
from app_integration.integrations.sqlalchemy import (
    Encrypted,
    EncryptedRow,
    Index,
    column_values,
    create_index_keys,
    reserve_keys,
)
from tests.support.orms.sqlalchemy_orm import SqlAlchemyOrm

pytestmark = pytest.mark.requires("embedded")

SCHEMA = "Own (schema)"
COUNT = 12


class Base(DeclarativeBase):
    pass


class Person:
    """The columns of each class, beside its key."""

    name: Mapped[str] = mapped_column(String(40), unique=True)


class Serial(EncryptedRow, Person, Base):
    __tablename__ = "serial_people"

    id: Mapped[int] = mapped_column(primary_key=True)
    email = Encrypted("serial.email", index=Index(1_000, normalise="email"), nullable=True)
    pets: Mapped[list[Pet]] = relationship(back_populates="owner")


class Always(EncryptedRow, Person, Base):
    """A class with a quoted table and key, which is GENERATED ALWAYS, in another schema."""

    __tablename__ = 'Always "people" ('
    __table_args__ = ({"schema": SCHEMA},)

    id: Mapped[int] = mapped_column(
        "Key (id)", BigInteger, Identity(always=True, start=100, increment=10), primary_key=True
    )
    email = Encrypted("always.email", nullable=True)


class ByDefault(EncryptedRow, Person, Base):
    __tablename__ = "by_default_people"

    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    email = Encrypted("by_default.email", nullable=True)


class Pagila(EncryptedRow, Person, Base):
    """A class as sqlacodegen maps a default whose sequence no column owns."""

    __tablename__ = "pagila_people"

    id: Mapped[int] = mapped_column(
        primary_key=True, server_default=text("nextval('pagila_ids'::regclass)")
    )
    email = Encrypted("pagila.email", nullable=True)


class Pet(EncryptedRow, Base):
    """A class whose tokens are bound to a generated key of another class, too."""

    __tablename__ = "generated_pets"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey(Serial.id))
    owner: Mapped[Serial] = relationship(back_populates="pets")
    chip = Encrypted("pets.chip", context=["id", "owner_id"])


class Doctor(Serial):
    """A class in a table of its own that has the key of its base class."""

    __tablename__ = "serial_doctors"

    id: Mapped[int] = mapped_column(ForeignKey(Serial.id), primary_key=True)
    licence = Encrypted("doctors.licence")


class NoKey(EncryptedRow, Base):
    __tablename__ = "no_generated_key"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    email = Encrypted("no_key.email")


CLASSES: list[Any] = [Serial, Always, ByDefault, Pagila]
_BEFORE = f'CREATE SCHEMA "{SCHEMA}"; CREATE SEQUENCE pagila_ids'


@pytest.fixture
def engine(key_engine: Engine) -> Iterator[Engine]:
    run(key_engine, _BEFORE)
    Base.metadata.create_all(key_engine)
    create_index_keys(Serial)
    yield key_engine
    Base.metadata.drop_all(key_engine)
    run(key_engine, f'DROP SCHEMA "{SCHEMA}"; DROP SEQUENCE pagila_ids')


def run(engine: Engine, statements: str) -> None:
    with engine.begin() as connection:
        for each in filter(str.strip, statements.split(";")):
            connection.execute(text(each))


def emails(engine: Engine, owner: Any) -> dict[str, str | None]:
    with Session(engine) as session:
        return {row.name: row.email for row in session.scalars(select(owner))}


def flush(session: Session, owner: Any, count: int) -> None:
    session.add_all([owner(name=f"n{each}", email=f"e{each}") for each in range(count)])
    session.flush()


def insert_values(session: Session, owner: Any, count: int) -> None:
    session.execute(insert(owner).values(rows_of(session, owner, count)))


def insert_many(session: Session, owner: Any, count: int) -> None:
    session.execute(insert(owner), rows_of(session, owner, count))


def insert_core(session: Session, owner: Any, count: int) -> None:
    table = owner.__table__
    columns = {each.key: each.columns[0] for each in owner.__mapper__.column_attrs}
    rows = [
        {columns[name].key: value for name, value in row.items()}
        for row in rows_of(session.connection(), owner, count)
    ]
    session.connection().execute(table.insert(), rows)


def insert_postgresql(session: Session, owner: Any, count: int) -> None:
    statement = postgresql.insert(owner).on_conflict_do_nothing()
    session.execute(statement.values(rows_of(session, owner, count)))


def insert_returning(session: Session, owner: Any, count: int) -> None:
    rows = rows_of(session, owner, count)
    returned = session.scalars(
        insert(owner).returning(owner.id, sort_by_parameter_order=True), rows
    ).all()
    assert returned == [row["id"] for row in rows]


def rows_of(session: Session | Connection, owner: Any, count: int) -> list[dict[str, Any]]:
    keys = reserve_keys(session, owner, count)
    return [
        column_values(owner, {"id": key, "name": f"n{each}", "email": f"e{each}"})
        for each, key in enumerate(keys)
    ]


WAYS: list[Callable[[Session, Any, int], None]] = [
    flush,
    insert_values,
    insert_many,
    insert_core,
    insert_postgresql,
    insert_returning,
]


def test_rows_inserted_in_any_way_are_read(engine: Engine) -> None:
    for owner in CLASSES:
        for way in WAYS:
            with SqlAlchemyOrm.connected(engine) as orm, orm.reservations() as reserved:
                way(orm.session, owner, COUNT)
                orm.session.commit()
            assert emails(engine, owner) == {f"n{each}": f"e{each}" for each in range(COUNT)}
            assert len(reserved) == 1, way
            with engine.begin() as connection:
                connection.execute(owner.__table__.delete())


def test_related_objects_are_bound_to_generated_keys(engine: Engine) -> None:
    with Session(engine) as session:
        for number in range(COUNT):
            pets = [Pet(chip=f"{number}.{each}") for each in range(2)]
            session.add(Serial(name=f"n{number}", pets=pets))
        session.add(doctor := Doctor(name="ada", email="ada@example.com", licence="L1"))
        session.commit()
        session.expire_all()
        stored = session.scalars(select(Pet)).all()
        assert {pet.chip for pet in stored} == {f"{n}.{e}" for n in range(COUNT) for e in range(2)}
        assert all(pet.owner.name == f"n{pet.chip.partition('.')[0]}" for pet in stored)
        assert (doctor.email, doctor.licence) == ("ada@example.com", "L1")


def test_schema_that_is_translated_has_the_sequence(engine: Engine) -> None:
    run(engine, "CREATE SCHEMA tenant")
    tenant = engine.execution_options(schema_translate_map={None: "tenant"})
    try:
        Base.metadata.tables[Serial.__tablename__].create(tenant)
        with Session(tenant) as session:
            session.add(row := Serial(name="ada", email="ada@example.com"))
            session.commit()
            assert (row.id, row.email) == (1, "ada@example.com")
        with Session(engine) as session:
            assert session.scalar(select(func.count()).select_from(Serial)) == 0
    finally:
        run(engine, "DROP SCHEMA tenant CASCADE")


def test_objects_with_connections_of_their_own_have_keys_of_their_own(engine: Engine) -> None:
    with SqlAlchemyOrm.connected(engine) as orm, orm.reservations() as reserved:
        session = orm.session
        # As a ShardedSession, which finds the connection of each object.
        session.connection_callable = lambda *_, **__: session.connection()
        flush(session, Always, 3)
        session.commit()
        assert len(reserved) == 3
    assert len(emails(engine, Always)) == 3


def test_asynchronous_session_inserts_in_both_ways(engine: Engine) -> None:
    async def main() -> None:
        asynchronous = async_database_engine()
        async with AsyncSession(asynchronous) as session:
            session.add_all([Always(name=f"n{each}", email=f"e{each}") for each in range(COUNT)])
            await session.flush()
            (key,) = await session.run_sync(reserve_keys, Always, 1)
            values = {"id": key, "name": "core", "email": "core"}
            await session.execute(insert(Always), [column_values(Always, values)])
            await session.commit()
        await asynchronous.dispose()

    asyncio.run(main())
    found = emails(engine, Always)
    assert found == {"core": "core"} | {f"n{each}": f"e{each}" for each in range(COUNT)}


def test_upsert_by_another_column_than_the_key_is_refused(engine: Engine) -> None:
    with Session(engine) as session:
        session.add(ada := Always(name="ada", email="first"))
        session.commit()
        (key,) = reserve_keys(session, Always, 1)
        rows = [column_values(Always, {"id": key, "name": "ada", "email": "second"})]
        statement = postgresql.insert(Always).values(rows)
        updated = {"email": statement.excluded.email}
        by_name: list[dict[str, Any]] = [
            {"index_elements": ["name"]},
            {"index_elements": [Always.name]},
            {"constraint": "Always_people_name"},
        ]
        for target in by_name:
            upsert = statement.on_conflict_do_update(**target, set_=updated)
            for connection in (session, session.connection()):
                with pytest.raises(EncryptionError, match="find the objects and assign"):
                    connection.execute(upsert)
        session.rollback()
        others = statement.on_conflict_do_update(
            index_elements=["name"], set_={"name": statement.excluded.name}
        )
        session.execute(others)
        same = column_values(Always, {"id": ada.id, "name": "ada", "email": "third"})
        upsert = postgresql.insert(Always).values(same)
        session.execute(
            upsert.on_conflict_do_update(
                index_elements=[Always.id], set_={"email": upsert.excluded.email}
            )
        )
        session.commit()
    assert emails(engine, Always) == {"ada": "third"}


def test_key_without_a_sequence_is_not_reserved(engine: Engine) -> None:
    run(engine, "ALTER TABLE pagila_people ALTER id DROP DEFAULT")
    with Session(engine) as session:
        with pytest.raises(EncryptionError, match=r"pagila_people\.id: .* has no sequence"):
            reserve_keys(session, Pagila, 2)
        with pytest.raises(ConfigurationError, match="does not generate"):
            reserve_keys(session, NoKey, 1)
