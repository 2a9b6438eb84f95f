"""Mapped classes under migration: queries as before it, and all columns at each write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    JSON,
    Engine,
    ForeignKey,
    String,
    Text,
    TypeDecorator,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    load_only,
    mapped_column,
    relationship,
)

from app_integration.errors import ConfigurationError
from app_integration.integrations.plaintext import Phase
from app_integration.integrations.sqlalchemy import (
    CompoundIndex,
    Encrypted,
    EncryptedRow,
    Index,
    Plaintext,
    create_index_keys,
    plaintext_column,
)
from app_integration.testing import MemoryApplication
from tests.support.databases.memory_keys import memory_key_tables

ROWS: Final = 1_000_000


def user_class(phase: Phase) -> Any:
    """Return the mapped class of the application in *phase*, with the class ``Owner``."""

    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owners"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        users: Mapped[list[User]] = relationship()

    class User(EncryptedRow, Base):
        __tablename__ = "users"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        owner_id: Mapped[UUID] = mapped_column(ForeignKey(Owner.id))
        visits: Mapped[int] = mapped_column(default=0)
        city: Mapped[str | None]
        email = Encrypted(
            "users.email",
            context=["id", "owner_id"],
            index=Index(ROWS, normalise="email", column="email_lookup"),
            nullable=True,
            column="email_token",
            plaintext=Plaintext("email", phase),
        )
        phone = Encrypted(
            "users.phone",
            context=["id", "owner_id"],
            nullable=True,
            column="phone_token",
            plaintext=Plaintext("phone", phase, String(40)),
        )
        place = CompoundIndex("users.place", ("email", "city"), rows=ROWS)

    class Member(User):
        """A subclass in the same table."""

    User.owner_class, User.member_class = Owner, Member
    return User


CLASSES: Final = {phase: user_class(phase) for phase in Phase}
DUAL: Final = CLASSES[Phase.DUAL_WRITING]


@pytest.fixture
def engine(vault: MemoryApplication) -> Iterator[Engine]:
    with memory_key_tables(vault) as engine:
        DUAL.metadata.create_all(engine)
        create_index_keys(DUAL)
        yield engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@pytest.fixture(params=[*Phase])
def user(request: pytest.FixtureRequest) -> Any:
    """Return the mapped class of each phase."""
    return CLASSES[request.param]


def add(session: Session, user: Any, **values: Any) -> Any:
    owner = user.owner_class()
    session.add(owner)
    session.flush()
    row = user(owner_id=owner.id, **values)
    session.add(row)
    session.commit()
    return row


class Json(TypeDecorator[Any]):
    impl = JSONB
    cache_ok = True


@pytest.mark.parametrize("phase", [*Phase])
@pytest.mark.parametrize("type_", [JSON, JSON(), JSONB(), Json(none_as_null=True)])
def test_none_is_the_null_of_sql_whatever_json_type_is_declared(phase: Phase, type_: Any) -> None:
    column = plaintext_column.build_column(Plaintext("prefs", phase, type_), dict, nullable=True)
    assert not column.column.type.should_evaluate_none
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    written = column.column.type.dialect_impl(dialect).bind_processor(dialect)
    assert written is not None
    assert written(None) is None


@pytest.mark.parametrize(
    "type_",
    [JSON(none_as_null=True).with_variant(JSONB(), "postgresql"), Json(), Json],
)
def test_type_that_writes_the_null_of_json_for_none_is_refused(type_: Any) -> None:
    declared = Plaintext("prefs", Phase.NULLING, type_)
    with pytest.raises(ConfigurationError, match=r"column prefs: .* pass none_as_null=True"):
        plaintext_column.build_column(declared, dict, nullable=True)


def test_json_type_of_another_column_is_left_as_it_is() -> None:
    shared = JSONB()
    plaintext_column.build_column(Plaintext("prefs", Phase.NULLING, shared), dict, nullable=True)
    assert not shared.none_as_null


def stored(session: Session) -> Any:
    query = "SELECT email, email_token, email_lookup, phone, phone_token, place_index FROM users"
    return session.execute(text(query)).one()


def test_columns_have_the_declared_names_and_types() -> None:
    table = DUAL.__table__
    assert isinstance(table.c.email.type, Text)
    assert table.c.phone.type.length == 40
    assert {"email_token", "email_lookup", "phone_token", "place_index"} <= set(table.c.keys())
    assert "email_index" not in table.c
    assert table.c.email_token.nullable


@pytest.mark.parametrize(
    ("kind", "python_type"),
    [
        *((each, each) for each in (str, bytes, int, bool, Decimal, date, datetime, UUID)),
        *((each, JSON().python_type) for each in (dict, list)),  # dict in SQLAlchemy 2.0
    ],
)
def test_type_of_the_plaintext_follows_from_the_kind(kind: type, python_type: type) -> None:
    class Base(DeclarativeBase):
        pass

    class Row(EncryptedRow, Base):
        __tablename__ = "rows"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        value = Encrypted(
            "rows.value", kind, column="token", plaintext=Plaintext("value", "switched")
        )

    column = Row.__table__.c["value"]
    assert column.type.python_type is python_type
    assert not column.nullable
    assert not isinstance(column.type, JSON) or column.type.none_as_null


QUERIES: Final[dict[str, Callable[[Any], Any]]] = {
    "equal": lambda user: select(user.visits).where(user.email == "b@x.com"),
    "not equal": lambda user: select(user.visits).where(user.email != "b@x.com"),
    "in": lambda user: select(user.visits).where(user.email.in_(["a@x.com", "b@x.com"])),
    "not in": lambda user: select(user.visits).where(user.email.not_in(["a@x.com"])),
    "like": lambda user: select(user.visits).where(user.email.like("b@%")),
    "escaped": lambda user: select(user.visits).where(user.email.startswith("b", autoescape=True)),
    "ilike": lambda user: select(user.visits).where(user.email.ilike("B@%")),
    "less": lambda user: select(user.visits).where(user.email < "b"),
    "between": lambda user: select(user.visits).where(user.email.between("a", "b")),
    "null": lambda user: select(user.visits).where(user.email.is_(None)),
    "not null": lambda user: select(user.visits).where(user.email.is_not(None)),
    "order": lambda user: select(user.visits).order_by(user.email.desc(), user.email),
    "ordered by itself": lambda user: select(user.visits).order_by(user.email),
    "group": lambda user: select(user.email, func.count()).group_by(user.email).order_by("email"),
    "distinct": lambda user: select(user.email).distinct().order_by(user.email),
    "function": lambda user: select(func.lower(user.email)).order_by(text("1")),
    "concatenated": lambda user: select("<" + user.email + ">").order_by(text("1")),
    "first operand": lambda user: select(user.visits).where(literal("b@x.com") == user.email),
    "label": lambda user: select(user.email.label("mail")).order_by("mail"),
    "subquery": lambda user: select(select(user.email).subquery().c.email).order_by(text("1")),
    "alias": lambda user: select(aliased(user, name="other").email).order_by(text("1")),
    "join": lambda user: (
        select(user.email)
        .join(user.owner_class, user.owner_class.id == user.owner_id)
        .where(user.email > "a")
    ),
    "from the owner": lambda user: (
        select(user.owner_class.id).join(user.owner_class.users).where(user.email == "nobody@x.com")
    ),
    "filter": lambda user: select(user.visits).filter_by(email="b@x.com"),
}


class PlainBase(DeclarativeBase):
    pass


class PlainOwner(PlainBase):
    __tablename__ = "owners"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    users: Mapped[list[PlainUser]] = relationship()


class PlainUser(PlainBase):
    """The class before the migration."""

    __tablename__ = "users"
    owner_class = PlainOwner

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey(PlainOwner.id))
    visits: Mapped[int]
    email: Mapped[str | None]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_query_of_a_dual_writing_class_is_that_before_the_migration(
    session: Session, query: Callable[[Any], Any]
) -> None:
    for number, email in enumerate(["a@x.com", "b@x.com", "c@x.com", None]):
        add(session, DUAL, email=email, visits=number)
    before, now = session.execute(query(PlainUser)), session.execute(query(DUAL))
    assert list(now.keys()) == list(before.keys())
    rows = before.all()
    assert now.all() == rows
    assert rows or "nobody" in repr(query(DUAL).compile().params)


def test_row_of_a_selected_attribute_has_its_name(session: Session) -> None:
    add(session, DUAL, email="a@x.com")
    assert session.execute(select(DUAL.email)).one().email == "a@x.com"
    assert session.scalars(select(DUAL).options(load_only(DUAL.email))).one().email == "a@x.com"


def test_assignment_before_the_context_is_written_at_the_flush(session: Session, user: Any) -> None:
    owner = user.owner_class()
    row = user(email="Ada@x.com", city="London")
    assert row.email == "Ada@x.com"
    owner.users.append(row)
    session.add(owner)
    session.commit()
    plain, *encrypted, _, _, place = stored(session)
    assert plain == (None if user is CLASSES[Phase.NULLING] else "Ada@x.com")
    assert None not in (*encrypted[:2], place)
    assert row.email == "Ada@x.com"


def test_row_that_moves_to_another_owner_gets_new_tokens(session: Session, user: Any) -> None:
    row, other = add(session, user, email="a@x.com", phone="7"), user.owner_class()
    before = stored(session)
    other.users.append(row)
    session.add(other)
    session.commit()
    after = stored(session)
    assert row.owner_id == other.id
    assert after.email_token != before.email_token
    assert after.phone_token != before.phone_token
    assert (row.email, row.phone) == ("a@x.com", "7")


def test_merged_object_is_written_as_it_is(session: Session, user: Any) -> None:
    row, other = add(session, user, email="a@x.com"), user.owner_class()
    session.add(other)
    session.commit()
    assert row.email == "a@x.com"
    session.expunge(row)
    row.owner_id, row.email = other.id, "b@x.com"
    merged = session.merge(row)
    session.commit()
    assert (merged.owner_id, merged.email) == (other.id, "b@x.com")
    assert stored(session).email == (None if user is CLASSES[Phase.NULLING] else "b@x.com")


def test_subclass_renews_tokens_once(session: Session, user: Any) -> None:
    row = add(session, user.member_class, email="a@x.com")
    row.id = uuid4()
    session.commit()
    assert row.email == "a@x.com"


def test_compound_index_follows_each_of_its_attributes(session: Session, user: Any) -> None:
    row = add(session, user, email="a@x.com", city="London")
    first = stored(session).place_index
    row.visits += 1
    session.commit()
    assert stored(session).place_index == first
    row.city = "Paris"
    session.commit()
    second = stored(session).place_index
    assert second != first
    row.email = "b@x.com"
    session.commit()
    assert stored(session).place_index not in (first, second)
    row.city = None
    session.commit()
    assert stored(session).place_index is None


def test_wrong_declaration_raises() -> None:
    with pytest.raises(ConfigurationError, match="there is no phase 'dual'; use one of dual-w"):
        Plaintext("email", "dual")

    class Base(DeclarativeBase):
        pass

    # Before Python 3.12 the error is the cause of a RuntimeError.
    with pytest.raises((ConfigurationError, RuntimeError)) as caught:
        type(
            "Same",
            (EncryptedRow, Base),
            {"email": Encrypted("same.email", plaintext=Plaintext("email", "switched"))},
        )
    assert "name that of the tokens with column=" in str(caught.value.__cause__ or caught.value)
