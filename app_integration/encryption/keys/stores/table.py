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

from app_integration.encryption.keys.stores import WrappedKey
from app_integration.errors import KeyUnavailable

_CHUNK = 1000  # numbers in one query


def data_keys_table(metadata: MetaData, name: str = "data_keys") -> Table:
    """The table's definition, for an application that makes its tables by migrations."""
    return Table(
        name,
        metadata,
        # 32 bits without a sign, which PostgreSQL's INTEGER doesn't hold.
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("scope", String(255), nullable=False),
        Column("wrapped", LargeBinary, nullable=False),
        Column("commitment", LargeBinary, nullable=False),
        Column("created", DateTime(timezone=True), nullable=False),
        Column("version", Integer, nullable=False),
    )


class TableDataKeys:
    """The :class:`~app_integration.encryption.keys.stores.DataKeyStore` over one table.

    Each call is a transaction of its own: a row must last even if the transaction that writes the
    token is rolled back.
    """

    def __init__(self, engine: Engine, name: str = "data_keys") -> None:
        """Args: *engine* may read, insert and update the table *name*."""
        self._engine = engine
        self._table = data_keys_table(MetaData(), name)

    def create(self) -> None:
        """Make the table, unless it is there."""
        with _key_errors(self._table.name):
            self._table.metadata.create_all(self._engine)

    def add(self, key: WrappedKey) -> bool:
        """Keep *key* durably; False, and nothing kept, when its number is taken."""
        row = {
            "id": key.number,
            "scope": key.scope,
            "wrapped": key.wrapped,
            "commitment": key.commitment,
            "created": key.created,
            "version": key.version,
        }
        with _key_errors(self._table.name):
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(self._table).values(row))
            except IntegrityError:
                if self.get([key.number]):
                    return False
                raise
        return True

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        """The rows under *numbers*; unknown numbers are left out."""
        wanted = list(numbers)
        found: list[WrappedKey] = []
        for start in range(0, len(wanted), _CHUNK):
            found += self._select(self._table.c.id.in_(wanted[start : start + _CHUNK]))
        return found

    def of_scope(self, scope: str) -> list[WrappedKey]:
        """The rows of *scope*."""
        return self._select(self._table.c.scope == scope)

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        """Replace the wrapped key of the row that is still *key*; False when it has changed."""
        columns = self._table.c
        same = (columns.id == key.number) & (columns.wrapped == key.wrapped)
        change = update(self._table).where(same).values(wrapped=wrapped, version=version)
        with _key_errors(self._table.name), self._engine.begin() as connection:
            return connection.execute(change).rowcount == 1

    def _select(self, condition: Any) -> list[WrappedKey]:
        query = select(self._table).where(condition)
        with _key_errors(self._table.name), self._engine.connect() as connection:
            return [_key(row) for row in connection.execute(query).mappings()]


def _key(row: RowMapping) -> WrappedKey:
    return WrappedKey(
        number=row["id"],
        scope=row["scope"],
        wrapped=bytes(row["wrapped"]),
        commitment=bytes(row["commitment"]),
        created=row["created"],
        version=row["version"],
    )


@contextmanager
def _key_errors(table: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise KeyUnavailable(
            f"the table {table} can't be used now ({type(error).__name__}); is it made, and may "
            "this database user read, insert and update it?"
        ) from None
