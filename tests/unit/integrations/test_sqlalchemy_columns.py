"""Encrypted columns of mapped classes: sessions, statements and operators of SQLAlchemy."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    Engine,
    FetchedValue,
    ForeignKey,
    Identity,
    Insert,
    Integer,
    String,
    Update,
    insert,
    select,
    text,
    update,
)
from sqlalchemy import Sequence as SqlSequence
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    configure_mappers,
    mapped_column,
    relationship,
)

from app_integration import declare_index, use_data_keys
from app_integration.errors import ConfigurationError, EncryptionError
from app_integration.integrations.sqlalchemy import (
    CompoundIndex,
    Encrypted,
    EncryptedRow,
    Index,
    column_values,
    create_index_keys,
    exactly,
    find,
    is_indexed_now,
    renew,
)
from app_integration.testing import MemoryApplication
from tests.support.databases.memory_keys import memory_key_tables

ROWS = 1_000_000


class Base(DeclarativeBase):
    pass


class Person(EncryptedRow, Base):
    __tablename__ = "people"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    city: Mapped[str | None] = mapped_column(String(40))
    email = Encrypted("people.email", index=Index(ROWS, normalise="email"))
    name = Encrypted("people.name", nullable=True)
    born = Encrypted("people.born", date, nullable=True)
    name_born = CompoundIndex(
        "people.name_born", ("name", "born"), rows=ROWS, normalise=("casefold", "exact")
    )


class Employee(Person):
    """A subclass in the same table."""


class Note(EncryptedRow, Base):
    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    buyer: Mapped[str] = mapped_column(String(8))
    text = Encrypted("notes.text", context=["id", "buyer"])


class Patient(EncryptedRow, Base):
    """A class with a relationship to one that is declared later."""

    __tablename__ = "patients"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name = Encrypted("patients.name")
    visits: Mapped[list[Visit]] = relationship(back_populates="patient")


class Profile(EncryptedRow, Base):
    __tablename__ = "profiles"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    notes = Encrypted("profiles.notes", dict)
    tags = Encrypted("profiles.tags", list)


class Visit(EncryptedRow, Base):
    __tablename__ = "visits"

    patient_id: Mapped[UUID] = mapped_column(ForeignKey(Patient.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason = Encrypted("visits.reason")
    patient: Mapped[Patient] = relationship(back_populates="visits")


@pytest.fixture
def engine(vault: MemoryApplication) -> Iterator[Engine]:
    """Yield an in-memory database with the tables of keys."""
    with memory_key_tables(vault) as engine:
        Base.metadata.create_all(engine)
        assert create_index_keys(Person) == ["people.email", "people.name_born"]
        assert create_index_keys(Person, Employee) == []
        yield engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def add_ada(session: Session) -> Person:
    born = date(1815, 12, 10)
    session.add(person := Person(email="Ada@Example.com", name="Ada", born=born, city="London"))
    session.commit()
    return person


def stored(session: Session, column: str) -> list[object]:
    return list(session.scalars(text(f"SELECT {column} FROM people")))


def test_assigned_none_is_written_over_a_token_that_was_not_loaded(engine: Engine) -> None:
    with Session(engine) as session, Session(engine) as other:
        session.add(person := Person(email="ada@example.com"))
        session.commit()
        assert person.name is None
        other.get_one(Person, person.id).name = "Ada"
        other.commit()
        person.name = None
        session.commit()
        assert stored(session, "name") == [None]


def test_value_that_another_process_changed_meanwhile_is_found_again(engine: Engine) -> None:
    with Session(engine) as session, Session(engine) as other:
        person = add_ada(session)
        assert person.email == "Ada@Example.com"
        other.get_one(Person, person.id).email = "other@example.com"
        other.commit()
        person.email = "Ada@Example.com"  # its index value is the one that was loaded
        session.commit()
        assert find(session, Person.email, "ada@example.com") == [person]


def test_alias_uses_its_own_columns(session: Session) -> None:
    add_ada(session)
    other = aliased(Person)
    query = select(other).where(other.email == "ada@example.com")
    assert "people_1.email_index" in str(query)
    assert len(session.scalars(query).all()) == 1
    assert len(session.scalars(select(other).where(other.name.is_not(None))).all()) == 1


@pytest.mark.parametrize(
    "query",
    [
        lambda: Person.email.like("ada%"),
        lambda: Person.email.ilike("ada%"),
        lambda: Person.email.contains("ada"),
        lambda: Person.email.startswith("ada"),
        lambda: Person.email < "b",
        lambda: Person.email.between("a", "b"),
        lambda: Person.email != "ada@example.com",
        lambda: Person.email.not_in(["ada@example.com"]),
        lambda: Person.email + "x",
        Person.email.desc,
        lambda: select(Person).order_by(Person.email),
        lambda: select(Person.email),
        lambda: select(Person).group_by(Person.email),
        lambda: Person.name == "Ada",
    ],
)
@pytest.mark.usefixtures("engine")
def test_unsupported_query_raises(query: object) -> None:
    assert callable(query)
    with pytest.raises(EncryptionError, match="is encrypted"):
        query()


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (lambda: aliased(Person).email == 5, "type int; pass str, as the field is declared"),
        (lambda: Person.email.in_("abc"), "cannot take str; pass a list of values"),
        (lambda: Person.email.in_(select(Person.city)), "cannot take Select; pass a list"),
    ],
)
@pytest.mark.usefixtures("engine")
def test_search_for_no_value_of_its_type_raises(search: Callable[[], object], message: str) -> None:
    with pytest.raises(EncryptionError, match=message):
        search()


@pytest.mark.parametrize(
    ("attribute", "name"), [("email", "email"), (Person.city, r"Person\.city"), (Person, ".*")]
)
def test_search_by_what_is_no_encrypted_attribute_raises(
    session: Session, attribute: Any, name: str
) -> None:
    message = f"^{name} is not an encrypted attribute; pass that of the class, such as User.email"
    with pytest.raises(EncryptionError, match=message):
        find(session, attribute, "ada@example.com")
    with pytest.raises(EncryptionError, match=message):
        exactly([], attribute, "ada@example.com")


@pytest.mark.parametrize(
    "session", [AsyncSession(), async_scoped_session(async_sessionmaker(), lambda: 1)]
)
def test_find_with_an_asynchronous_session_says_what_to_call(session: Any) -> None:
    with pytest.raises(EncryptionError, match=r"await session\.run_sync\(lambda session: find"):
        find(session, Person.email, "ada@example.com")


def test_changed_primary_key_without_a_new_value_raises(session: Session) -> None:
    person = add_ada(session)
    person.id = uuid4()
    with pytest.raises(EncryptionError, match="assign the value again"):
        session.flush()
    session.rollback()
    assert person.email == "Ada@Example.com"


def test_changed_context_of_an_expired_object_raises(session: Session) -> None:
    note = Note(buyer="ada", text="by the back door")
    session.add(note)
    session.commit()  # which expires the object
    note.buyer = "eve"
    with pytest.raises(EncryptionError, match="bound to buyer, which changed"):
        session.flush()


def test_empty_value_is_read_again_after_a_rollback_and_a_refresh(
    engine: Engine, session: Session
) -> None:
    person = add_ada(session)
    person.name = None
    assert person.name is None
    session.rollback()
    assert person.name == "Ada"
    assert person.born is not None
    change_born(engine, None)
    session.refresh(person)
    assert person.born is None
    change_born(engine, date(1815, 12, 10))
    session.refresh(person)
    assert person.born == date(1815, 12, 10)


def change_born(engine: Engine, born: date | None) -> None:
    with Session(engine) as other:
        other.scalars(select(Person)).one().born = born
        other.commit()


def load_again(session: Session, profile: Profile) -> None:
    query = select(Profile).where(Profile.id == profile.id)
    assert session.scalars(query.execution_options(populate_existing=True)).one() is profile


@pytest.mark.parametrize(
    "read_again",
    [
        lambda session, _: session.commit(),
        lambda session, _: session.rollback(),
        Session.expire,
        Session.refresh,
        load_again,
    ],
    ids=["commit", "rollback", "expire", "refresh", "populate_existing"],
)
def test_value_that_was_changed_and_not_assigned_is_read_as_it_is_stored(
    session: Session, read_again: Callable[[Session, Profile], object]
) -> None:
    session.add(profile := Profile(notes={"a": 1}, tags=["a"]))
    session.commit()
    profile.notes["b"] = 2
    profile.tags.append("b")
    read_again(session, profile)
    assert (profile.notes, profile.tags) == ({"a": 1}, ["a"])
    profile.notes = {**profile.notes, "b": 2}
    session.commit()
    assert profile.notes == {"a": 1, "b": 2}


def test_value_of_a_statement_goes_to_the_column_under_sqlalchemy_2_0() -> None:
    # It asks the operand; without this method, each such statement ended in an AttributeError.
    for entity in (Person, aliased(Person)):
        assert entity.email._bulk_update_tuples(b"sr3") == [("email", b"sr3")]


def test_error_of_a_rejected_plaintext_does_not_show_it(session: Session) -> None:
    email = "ada@example.com"
    with pytest.raises(EncryptionError) as caught:
        session.execute(insert(Base.metadata.tables["people"]), [{"id": uuid4(), "email": email}])
    assert email not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("statement", [insert(Person), update(Person)])
def test_bulk_statement_with_an_encrypted_attribute_raises(
    session: Session, statement: Insert | Update
) -> None:
    person = add_ada(session)
    for value in (date(1815, 12, 11), None):
        with pytest.raises(EncryptionError, match=r"Person.born .* use column_values"):
            session.execute(statement, [{"id": person.id}, {"id": uuid4(), "born": value}])
        session.rollback()
    assert [each.born for each in session.scalars(select(Person))] == [date(1815, 12, 10)]


def test_bulk_update_takes_column_values(session: Session) -> None:
    person = add_ada(session)
    values = {"id": person.id, "email": "eve@example.com"}
    session.execute(update(Person), [column_values(Person, values)])
    assert find(session, Person.email, "eve@example.com") == [person]


def test_bulk_insert_takes_column_values(session: Session) -> None:
    rows = [
        column_values(Person, {"id": uuid4(), "email": f"user{number}@example.com"})
        for number in range(20)
    ]
    session.execute(insert(Person), rows)
    session.commit()
    assert len(find(session, Person.email, "user7@example.com")) == 1
    with pytest.raises(EncryptionError, match="bound to id, which has no value yet"):
        column_values(Person, {"email": "x@example.com"})


def test_column_holds_text_tokens_and_keyring_tokens(
    vault: MemoryApplication, engine: Engine
) -> None:
    with Session(engine) as session:
        person = add_ada(session)
        use_data_keys(None)
        person.name = "Augusta"
        session.commit()
        session.expunge_all()
        (token,) = stored(session, "name")
        assert isinstance(token, bytes)
        assert token.startswith(b"sr")
        read = session.scalars(select(Person)).one()
        assert read.name == "Augusta"
        with pytest.raises(ConfigurationError, match="call use_data_keys"):
            assert read.email
    assert vault.server.count(f"transit/encrypt/{vault.scope.key('pii')}") == 2


def test_subclass_has_the_same_columns(session: Session) -> None:
    session.add(Employee(email="boss@example.com"))
    session.commit()
    assert [type(row) for row in find(session, Employee.email, "boss@example.com")] == [Employee]


def test_copy_of_an_object_has_its_values(session: Session) -> None:
    person = add_ada(session)
    assert person.email
    assert copy.copy(person).email == person.email


def test_renew_after_an_index_rotation_keeps_the_row_searchable(
    vault: MemoryApplication, session: Session
) -> None:
    del vault
    add_ada(session)
    column = Person.email.index_column
    assert column is not None
    assert column.blind_index.rotate() == 2
    row = find(session, Person.email, "ada@example.com")[0]
    assert is_indexed_now(row)
    before = stored(session, "email")
    renew(row)
    session.commit()
    assert stored(session, "email") != before
    assert find(session, Person.email, "ada@example.com") == [row]


def test_key_generated_by_another_expression_than_a_sequence_raises(session: Session) -> None:
    class Other(DeclarativeBase):
        pass

    def mapped(name: str, key: object) -> Any:
        space = {"__tablename__": name, "id": key, "email": Encrypted(f"{name}.email")}
        owner = type(name, (EncryptedRow, Other), space)
        configure_mappers()
        return owner

    with pytest.raises(ConfigurationError, match="by a sequence only"):
        mapped("Served", mapped_column(Integer, primary_key=True, server_default=text("1")))
    with pytest.raises(ConfigurationError, match="by a sequence only"):
        mapped("Filled", mapped_column(Integer, primary_key=True, server_default=FetchedValue()))
    numbers = SqlSequence("numbers")
    default = numbers.next_value()
    mapped("Sequenced", mapped_column(Integer, numbers, primary_key=True))
    mapped("Nexts", mapped_column(Integer, primary_key=True, server_default=default))
    mapped("Given", mapped_column(String(8), primary_key=True))
    mapped("Plain", mapped_column(Integer, primary_key=True, autoincrement=False))
    for owner in (
        mapped("Serial", mapped_column(Integer, primary_key=True)),
        mapped("Identified", mapped_column(Integer, Identity(), primary_key=True)),
    ):
        owner.__table__.create(session.get_bind())
        session.add(owner(email="ada@example.com"))
        with pytest.raises(EncryptionError, match=rf"{owner.__name__}\.id: .*no sequence of"):
            session.flush()
        session.rollback()
        session.add(row := owner(id=7, email="ada@example.com"))
        session.commit()
        assert row.email == "ada@example.com"


def test_upsert_by_another_column_than_the_key_raises(session: Session) -> None:
    statement = sqlite.insert(Person).values(
        column_values(Person, {"id": uuid4(), "email": "a@b.c"})
    )
    upsert = statement.on_conflict_do_update(
        index_elements=["email_index"], set_={"email": statement.excluded.email}
    )
    with pytest.raises(EncryptionError, match="people: an upsert by email_index finds rows"):
        session.execute(upsert)


def test_related_objects_of_classes_declared_in_any_order_are_saved(session: Session) -> None:
    visits = [Visit(number=1, reason="a cough"), Visit(number=2, reason="")]
    session.add(Patient(name="Ada", visits=visits))
    session.commit()
    patient = session.scalars(select(Patient)).one()
    assert [(each.reason, each.patient.name) for each in patient.visits] == [
        ("a cough", "Ada"),
        ("", "Ada"),
    ]


def test_context_with_no_column_and_class_without_its_base_raise() -> None:
    class Other(DeclarativeBase):
        pass

    with pytest.raises(ConfigurationError, match="primary key among them"):
        type(
            "Wrong",
            (EncryptedRow, Other),
            {
                "__tablename__": "wrong",
                "id": mapped_column(String(8), primary_key=True),
                "email": Encrypted("wrong.email", context=["id", "nothing"]),
            },
        )
    # Before Python 3.12 the error is the cause of a RuntimeError.
    with pytest.raises((ConfigurationError, RuntimeError)) as caught:
        type("NoRow", (Other,), {"email": Encrypted("no.email")})
    assert "name EncryptedRow before its base class" in str(caught.value.__cause__ or caught.value)


def test_declare_index_of_a_columns_index_raises(session: Session) -> None:
    assert find(session, Person.email, "x@example.com") == []
    with pytest.raises(ConfigurationError, match="already declared"):
        declare_index("people.email", rows=ROWS)
