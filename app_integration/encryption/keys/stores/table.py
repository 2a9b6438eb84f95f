"""Wrapped data keys in a table of the application's database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    String,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app_integration.encryption.keys.row_format import check_row_format
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.keys.table_engine import check_engine
from app_integration.errors import KeyUnavailable

_CHUNK = 1000  # numbers in one query


def data_keys_table(metadata: MetaData, name: str = "data_keys") -> Table:
    """Return the table's definition, for an application that creates its tables by migrations.

    Args:
        metadata: The metadata to add the table to.
        name: The table's name.

    """
    return Table(
        name,
        metadata,
        # BigInteger, because a number is an unsigned 32-bit integer and PostgreSQL's INTEGER is
        # signed.
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("scope", String(255), nullable=False),
        Column("wrapped", LargeBinary, nullable=False),
        Column("commitment", LargeBinary, nullable=False),
        Column("created", DateTime(timezone=True), nullable=False),
        Column("version", Integer, nullable=False),
    )


class TableDataKeys:
    """A :class:`~app_integration.encryption.keys.stores.DataKeyStore` in one database table.

    Each call is a transaction of its own, because a row must last even if the transaction that
    writes the token is rolled back.
    """

    def __init__(self, engine: Engine, name: str = "data_keys") -> None:
        """Create a store in the table *name*.

        Args:
            engine: An engine whose database user may read, insert into and update the table.
            name: The table's name.

        Raises:
            ConfigurationError: If *engine* is no ``sqlalchemy.Engine``.

        """
        self._engine = check_engine(engine)
        self._table = data_keys_table(MetaData(), name)

    def create(self) -> None:
        """Create the table, unless it exists."""
        with _translate_errors(self._table.name):
            self._table.metadata.create_all(self._engine)

    def add(self, key: WrappedKey) -> bool:
        """Store *key* durably; return False, and store nothing, if its number is taken."""
        row = {
            "id": key.number,
            "scope": key.scope,
            "wrapped": key.wrapped,
            "commitment": key.commitment,
            "created": key.created,
            "version": key.version,
        }
        with _translate_errors(self._table.name):
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(self._table).values(row))
            except IntegrityError:
                if self.get([key.number]):
                    return False
                raise
        return True

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        """Return the rows with *numbers*; numbers without a row are left out."""
        wanted = list(numbers)
        found: list[WrappedKey] = []
        for start in range(0, len(wanted), _CHUNK):
            found += self._select(self._table.c.id.in_(wanted[start : start + _CHUNK]))
        return found

    def list_by_scope(self, scope: str) -> list[WrappedKey]:
        """Return the rows of *scope*."""
        return self._select(self._table.c.scope == scope)

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        """Replace the wrapped key of a row, unless it differs from that of *key* by now.

        See :meth:`DataKeyStore.rewrap`.
        """
        columns = self._table.c
        same = (columns.id == key.number) & (columns.wrapped == key.wrapped)
        change = update(self._table).where(same).values(wrapped=wrapped, version=version)
        with _translate_errors(self._table.name), self._engine.begin() as connection:
            return connection.execute(change).rowcount == 1

    def _select(self, condition: Any) -> list[WrappedKey]:
        query = select(self._table).where(condition)
        with _translate_errors(self._table.name), self._engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return [_key(row, f"the table {self._table.name}") for row in rows]


def _key(row: RowMapping, place: str) -> WrappedKey:
    wrapped = bytes(row["wrapped"])
    check_row_format(wrapped, place, row["id"])
    return WrappedKey(
        number=row["id"],
        scope=row["scope"],
        wrapped=wrapped,
        commitment=bytes(row["commitment"]),
        created=row["created"],
        version=row["version"],
    )


@contextmanager
def _translate_errors(table: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise KeyUnavailable(
            f"the table {table} cannot be used now ({type(error).__name__}); check that it exists, "
            "and that this database user may read, insert into and update it"
        ) from None
