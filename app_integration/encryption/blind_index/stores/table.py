"""Wrapped index keys in a table of the application's database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC
from typing import Any

from sqlalchemy import Column as SqlColumn
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Engine,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    and_,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.errors import KeyUnavailable


def index_keys_table(metadata: MetaData, name: str = "index_keys") -> Table:
    """The table's definition, for an application that makes its tables by migrations."""
    return Table(
        name,
        metadata,
        SqlColumn("scope", String(255), primary_key=True),
        SqlColumn("index", String(255), primary_key=True),
        SqlColumn("version", SmallInteger, primary_key=True, autoincrement=False),
        SqlColumn("bits", SmallInteger, nullable=False),
        SqlColumn("wrapped", LargeBinary, nullable=False),
        SqlColumn("writes_from", DateTime(timezone=True), nullable=False),
    )


class _RowChanged(Exception):
    """A row isn't as it was read."""


class TableIndexKeys:
    """The :class:`~app_integration.encryption.blind_index.stores.IndexKeyStore` over one table.

    Each call is a transaction of its own: a key must last even if the transaction that writes the
    first value under it is rolled back.
    """

    def __init__(self, engine: Engine, name: str = "index_keys") -> None:
        """Args: *engine* may read, insert and delete in the table *name*."""
        self._engine = engine
        self._table = index_keys_table(MetaData(), name)

    def create(self) -> None:
        """Make the table, unless it is there."""
        with self._translate_errors():
            self._table.metadata.create_all(self._engine)

    @property
    def place(self) -> str:
        """The table, by name."""
        return f"the table {self._table.name}"

    def versions(self, scope: str, index: str) -> list[IndexKey]:
        """The rows of one index, the oldest version first."""
        columns = self._table.c
        of_index = and_(columns.scope == scope, columns["index"] == index)
        query = select(self._table).where(of_index).order_by(columns.version)
        with self._translate_errors(), self._engine.connect() as connection:
            return [_key(row) for row in connection.execute(query).mappings()]

    def replace(self, before: Sequence[IndexKey], after: Sequence[IndexKey]) -> bool:
        """Put *after* in place of *before*; False, and nothing changed, when another did so."""
        with self._translate_errors():
            try:
                with self._engine.begin() as connection:
                    for key in before:
                        if (
                            connection.execute(
                                delete(self._table).where(self._matches(key))
                            ).rowcount
                            != 1
                        ):
                            raise _RowChanged  # noqa: TRY301 (it ends the transaction)
                    for key in after:
                        connection.execute(insert(self._table).values(asdict(key)))
            except (IntegrityError, _RowChanged):
                return False
        return True

    def _matches(self, key: IndexKey) -> ColumnElement[bool]:
        columns = self._table.c
        return and_(
            columns.scope == key.scope,
            columns["index"] == key.index,
            columns.version == key.version,
            columns.wrapped == key.wrapped,
        )

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise KeyUnavailable(
                f"the table {self._table.name} can't be used now ({type(error).__name__}); is it"
                " made, and may this database user read, insert and delete in it?"
            ) from None


def _key(row: Any) -> IndexKey:
    moment = row["writes_from"]
    return IndexKey(
        scope=row["scope"],
        index=row["index"],
        version=row["version"],
        bits=row["bits"],
        wrapped=bytes(row["wrapped"]),
        # SQLite gives back a moment without its offset; it was stored as UTC.
        writes_from=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
    )
