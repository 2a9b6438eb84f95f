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
from app_integration.encryption.keys.row_format import check_row_format
from app_integration.encryption.keys.table_engine import check_engine
from app_integration.errors import KeyUnavailable


def index_keys_table(metadata: MetaData, name: str = "index_keys") -> Table:
    """Return the table's definition, for an application that creates its tables by migrations.

    Args:
        metadata: The metadata to add the table to.
        name: The table's name.

    """
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
    """A row differs from what was read."""


class TableIndexKeys:
    """An ``IndexKeyStore`` in one database table.

    See :class:`~app_integration.encryption.blind_index.stores.IndexKeyStore`. Each call is a
    transaction of its own, because a key must last even if the transaction that writes the first
    value under it is rolled back.
    """

    def __init__(self, engine: Engine, name: str = "index_keys") -> None:
        """Create a store in the table *name*.

        Args:
            engine: An engine whose database user may read, insert into and delete from the table.
            name: The table's name.

        Raises:
            ConfigurationError: If *engine* is no ``sqlalchemy.Engine``.

        """
        self._engine = check_engine(engine)
        self._table = index_keys_table(MetaData(), name)

    def create(self) -> None:
        """Create the table, unless it exists."""
        with self._translate_errors():
            self._table.metadata.create_all(self._engine)

    @property
    def place(self) -> str:
        """Return the table's name for messages."""
        return f"the table {self._table.name}"

    def versions(self, scope: str, index: str) -> list[IndexKey]:
        """Return the rows of one index, the oldest version first."""
        columns = self._table.c
        of_index = and_(columns.scope == scope, columns["index"] == index)
        query = select(self._table).where(of_index).order_by(columns.version)
        with self._translate_errors(), self._engine.connect() as connection:
            return [_key(row, self.place) for row in connection.execute(query).mappings()]

    def indexes(self, scope: str) -> list[str]:
        """Return the ids of the indexes of *scope* that have a key, in order."""
        columns = self._table.c
        query = select(columns["index"]).where(columns.scope == scope).distinct()
        with self._translate_errors(), self._engine.connect() as connection:
            return sorted(connection.scalars(query))

    def replace(self, before: Sequence[IndexKey], after: Sequence[IndexKey]) -> bool:
        """Replace all rows of an index, durably and in one step.

        Args:
            before: The rows as they were read.
            after: The rows to store instead.

        Returns:
            Whether the rows were replaced. If they differ from *before* by now, nothing changes.

        """
        with self._translate_errors():
            try:
                with self._engine.begin() as connection:
                    for key in before:
                        deletion = delete(self._table).where(self._matches(key))
                        if connection.execute(deletion).rowcount != 1:
                            raise _RowChanged  # noqa: TRY301 (it rolls back the transaction)
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
                f"the table {self._table.name} cannot be used now ({type(error).__name__}); check "
                "that it exists, and that this database user may read, insert and delete its rows"
            ) from None


def _key(row: Any, place: str) -> IndexKey:
    moment, wrapped = row["writes_from"], bytes(row["wrapped"])
    check_row_format(wrapped, place, f"{row['index']}, version {row['version']},")
    return IndexKey(
        scope=row["scope"],
        index=row["index"],
        version=row["version"],
        bits=row["bits"],
        wrapped=wrapped,
        # SQLite returns a time without its offset; it was stored as UTC.
        writes_from=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
    )
