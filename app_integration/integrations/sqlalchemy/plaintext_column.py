"""Mapped columns of plaintext, and queries by them, while a table is migrated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    LargeBinary,
    Numeric,
    Text,
    Uuid,
    inspect,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.inspection import _inspects
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.orm.attributes import flag_modified, get_history
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE
from sqlalchemy.types import to_instance

from app_integration.errors import ConfigurationError
from app_integration.integrations.plaintext import Plaintext
from app_integration.integrations.sqlalchemy.index import IndexColumn
from app_integration.integrations.sqlalchemy.search import Searchable

_TYPES: Final[Mapping[type, Any]] = {
    str: Text(),
    bytes: LargeBinary(),
    int: BigInteger(),
    bool: Boolean(),
    Decimal: Numeric(),
    date: Date(),
    datetime: DateTime(timezone=True),
    UUID: Uuid(),
    dict: JSON(none_as_null=True),
    list: JSON(none_as_null=True),
}


def build_column(plaintext: Plaintext, kind: type, *, nullable: bool) -> MappedColumn[Any]:
    """Return the mapped column of *plaintext*."""
    column_type = _TYPES.get(kind) if plaintext.type is None else _store_null(plaintext)
    if column_type is None:
        raise ConfigurationError(
            f"plaintext column {plaintext.column}: its type does not follow from {kind.__name__}; "
            "name it with Plaintext(..., type=...)"
        )
    return mapped_column(plaintext.column, column_type, nullable=nullable or plaintext.is_nulled)


def _store_null(plaintext: Plaintext) -> Any:
    """Return the declared type, which stores None as the NULL of SQL.

    The null of JSON would be a value, which the database rejects once plaintext is removed.
    """
    kind = to_instance(plaintext.type)
    if isinstance(kind, JSON):
        kind = kind.copy()
        kind.none_as_null = True
    stored = kind.dialect_impl(PGDialect())  # type: ignore[no-untyped-call] # of SQLAlchemy
    stored = getattr(stored, "impl_instance", stored)
    if isinstance(stored, JSON) and not stored.none_as_null:
        raise ConfigurationError(
            f"plaintext column {plaintext.column}: its type {kind!r} writes None as the null of"
            " JSON; pass none_as_null=True to the JSON type in it"
        )
    return kind


def write(row: Any, name: str, value: Any) -> None:
    """Assign *value* to a column attribute, and have the next flush write it in any case.

    An equal value would not be written, although another process may have changed the row since:
    then the token would belong to another value than the plaintext or index value.
    """
    setattr(row, name, value)
    flag_modified(row, name)


def is_written(row: Any, name: str) -> bool:
    """Return whether the next flush writes the attribute *name* of *row*, or may do so."""
    if not inspect(row).mapper.has_property(name):
        return True
    return get_history(row, name, PASSIVE_NO_INITIALIZE).has_changes()


class PlaintextOperand(Searchable):
    """An encrypted attribute as an operand in queries, which search its plaintext column.

    It supports what a column supports, so queries are as they were before the migration.
    """

    def __init__(
        self, owner: Any, name: str, column: Any, index_column: IndexColumn | None
    ) -> None:
        """Create the operand."""
        super().__init__(owner, name, None, index_column)
        self._column = column

    def adapt_to_entity(self, entity: Any) -> PlaintextOperand:
        """Return the attribute of the alias *entity*. SQLAlchemy calls it for aliases."""
        column = getattr(entity.entity, self._column.key)
        return PlaintextOperand(entity.entity, self.name, column, self.index_column)

    def operate(self, op: Any, *other: Any, **options: Any) -> Any:
        """Return the expression for an operator."""
        return op(self._column, *other, **options)

    def reverse_operate(self, op: Any, other: Any, **options: Any) -> Any:
        """Return the expression for an operator whose first operand is *other*."""
        return op(other, self._column, **options)

    def __clause_element__(self) -> Any:
        """Return the column, under the name that it had before the migration."""
        return self._column.label(self.name.rpartition(".")[2])

    def __getattr__(self, name: str) -> Any:
        """Return what the attribute of the column has, such as ``label`` and ``type``."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._column, name)


@_inspects(PlaintextOperand)
def _inspect(operand: PlaintextOperand) -> Any:
    """Return the column that ``load_only()`` selects; from 2.0.42, SQLAlchemy finds it itself."""
    return inspect(operand._column)  # noqa: SLF001 (a function of the class)
