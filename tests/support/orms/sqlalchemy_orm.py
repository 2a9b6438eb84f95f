"""SQLAlchemy as the contract of encrypted attributes uses it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Date, Engine, Integer, Text, Uuid, event, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.integrations import sqlalchemy as mapped
from app_integration.integrations.orm_values import known_values
from app_integration.integrations.sqlalchemy.loaded_rows import LoadedRows
from tests.support.orms.orm import ROWS, Compound, Encrypted, Key, Plain, Table

_TYPES: dict[type, Any] = {str: Text, int: Integer, date: Date, UUID: Uuid}


class SqlAlchemyOrm:
    """One session, and further ones of what other processes do."""

    loaded_rows = LoadedRows
    database_error: type[Exception] = DBAPIError
    integrity_error: type[Exception] = IntegrityError

    def __init__(self, session: Session, engine: Engine) -> None:
        self.session = session
        self.engine = engine

    @classmethod
    @contextmanager
    def connected(cls, engine: Engine) -> Iterator[SqlAlchemyOrm]:
        with Session(engine) as session:
            yield cls(session, engine)

    def owner(self, table: Table) -> Any:
        return build(table)

    @contextmanager
    def tables(self, *tables: Table) -> Iterator[None]:
        owners = [build(table) for table in tables]
        for owner in owners:
            owner.metadata.create_all(self.engine)
        mapped.create_index_keys(*owners)
        yield
        self.session.rollback()
        for owner in owners:
            owner.metadata.drop_all(self.engine)

    def add(self, *rows: Any) -> None:
        """Insert objects, each by a statement of its own."""
        with self._committed():
            for row in rows:
                self.session.add(row)
                self.session.flush()

    def add_all(self, rows: list[Any]) -> None:
        self.session.add_all(rows)
        self.save()

    def save(self, *rows: Any) -> None:
        del rows  # the session knows them
        with self._committed():
            pass

    def save_only(self, row: Any, name: str) -> None:
        """Write one changed attribute, and nothing else if the ORM is told so."""
        del row, name  # the session knows what has changed
        self.save()

    def delete(self, *rows: Any) -> None:
        for row in rows:
            self.session.delete(row)
        self.session.commit()

    def all(self, table: Table, order: str = "id") -> list[Any]:
        """Return a new object of each row."""
        self.session.expunge_all()
        owner = build(table)
        return list(self.session.scalars(select(owner).order_by(getattr(owner, order))))

    def get(self, table: Table, key: UUID | int) -> Any:
        self.session.expunge_all()
        return self.session.get_one(build(table), key)

    def stream(self, table: Table, order: str, size: int) -> Iterator[Any]:
        """Yield objects that are loaded in parts."""
        self.session.expunge_all()
        owner = build(table)
        query = select(owner).order_by(getattr(owner, order)).execution_options(yield_per=size)
        yield from self.session.scalars(query)

    def where(self, table: Table, name: str, value: Any) -> list[Any]:
        """Return the rows whose attribute is *value*, or one of a list."""
        owner = build(table)
        attribute = getattr(owner, name)
        condition = attribute.in_(value) if isinstance(value, list) else attribute == value
        return list(self.session.scalars(select(owner).where(condition)))

    def find(self, table: Table, name: str, value: Any) -> list[Any]:
        return mapped.find(self.session, getattr(build(table), name), value)

    def exactly(self, table: Table, name: str, value: Any) -> list[Any]:
        return list(mapped.exactly(self.all(table), getattr(build(table), name), value))

    def index(self, table: Table, name: str) -> BlindIndex:
        found: BlindIndex = getattr(build(table), name).index_column.blind_index
        return found

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement that bypasses the classes, and return its rows."""
        done: Any = self.session.execute(text(sql))
        found = [tuple(row) for row in done] if done.returns_rows else []
        self.session.commit()
        return found

    @contextmanager
    def reservations(self) -> Iterator[list[str]]:
        """Record the statements that reserve keys, for the block."""
        found: list[str] = []

        def record(*arguments: Any) -> None:
            if "nextval" in arguments[2]:
                found.append(arguments[2])

        event.listen(self.engine, "before_cursor_execute", record)
        yield found
        event.remove(self.engine, "before_cursor_execute", record)

    def write_token(self, table: Table, name: str, token: Any) -> None:
        """Write a token to all rows by a statement of the ORM, without objects."""
        self._update(table, f"{name}_token", token)

    def write_plaintext(self, table: Table, name: str, value: Any) -> None:
        """Write the plaintext column of all rows by a statement of the ORM."""
        self._update(table, f"{name}_plaintext", value)

    def _update(self, table: Table, name: str, value: Any) -> None:
        with self._committed():
            self.session.execute(update(build(table)).values({name: value}))

    @contextmanager
    def _committed(self) -> Iterator[None]:
        try:
            yield
            self.session.commit()
        except BaseException:
            self.session.rollback()
            raise

    def change_elsewhere(self, table: Table, key: UUID | int, **values: Any) -> None:
        """Change a row as another process does."""
        with Session(self.engine) as other:
            row = other.get_one(build(table), key)
            for name, value in values.items():
                setattr(row, name, value)
            other.commit()

    def refresh(self, row: Any) -> None:
        self.session.refresh(row)

    def token(self, row: Any, name: str) -> Any:
        return getattr(row, f"{name}_token")

    def is_decrypted(self, row: Any, name: str) -> bool:
        return name in known_values(row)


@functools.cache
def build(table: Table) -> Any:
    base = type("Base", (DeclarativeBase,), {})
    space = {name: _attribute(each) for name, each in table.attributes.items()}
    space = {"__tablename__": table.name, "__module__": __name__, "id": _key(table), **space}
    owner = type(table.class_name, (mapped.EncryptedRow, base), space)
    globals()[table.class_name] = owner  # where pickle finds it
    return owner


def _key(table: Table) -> Any:
    if table.key is Key.DRAWN:
        return mapped_column(table.key_column, Uuid, primary_key=True, default=uuid4)
    if table.key is Key.GIVEN:
        return mapped_column(table.key_column, Integer, primary_key=True, autoincrement=False)
    return mapped_column(table.key_column, Integer, primary_key=True)


def _attribute(declared: Plain | Encrypted | Compound) -> Any:
    match declared:
        case Plain():
            return mapped_column(
                _TYPES[declared.kind], default=declared.default, unique=declared.unique
            )
        case Compound():
            return mapped.CompoundIndex(
                declared.field, declared.of, rows=ROWS, normalise=declared.normalise
            )
    normalise, phase = declared.normalise, declared.phase
    plaintext = None if phase is None else mapped.Plaintext(declared.plaintext or "", phase)
    return mapped.Encrypted(
        declared.field,
        declared.kind,
        index=mapped.Index(declared.rows, normalise=normalise) if normalise else None,
        nullable=declared.null,
        column=declared.column,
        plaintext=plaintext,
        **declared.options,
    )
