"""Queries by encrypted attributes, which support only equality, by a blind index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any, Final, NoReturn

from sqlalchemy import ColumnElement, Select, bindparam, false, inspect, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import operators
from sqlalchemy.sql.operators import ColumnOperators

from app_integration.errors import EncryptionError
from app_integration.integrations.orm_values import as_index_values, check_searched
from app_integration.integrations.sqlalchemy.index import IndexColumn


class Searchable(ColumnOperators):
    """An encrypted attribute as an operand in a query.

    ``==`` and ``in_`` find all rows with a value, and may find some with another value, because
    several values share an index value. :func:`find` and :func:`exactly` remove those.
    """

    def __init__(self, owner: Any, name: str, token: Any, index_column: IndexColumn | None) -> None:
        """Create the operand."""
        self.owner = owner
        self.name = name
        self.index_column = index_column
        self._token = token

    def select_candidates(self, values: Sequence[Any]) -> tuple[Select[Any], dict[str, bytes]]:
        """Return a query for the rows that may have *values*, and its parameters."""
        index = self._require_index()
        found = index.blind_index.candidates(*values)
        names = tuple(f"index_value_{at}" for at in range(len(found)))
        return _build_query(self.owner, index.column, names), dict(zip(names, found, strict=True))

    def check_values(self, value: Any) -> Sequence[Any]:
        """Return the indexed values that *value* has, after a check of their types."""
        index, values = self._require_index(), as_index_values(value)
        index.check_values(inspect(self.owner).mapper.class_, values)
        return values

    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override] # as SQLAlchemy's own
        return self.operate(operators.eq, other)

    def in_(self, other: Any) -> ColumnElement[bool]:
        """Return the condition for the rows that may have one of the values *other*."""
        return self.operate(operators.in_op, other)

    def is_(self, other: None) -> ColumnElement[bool]:
        """Return the condition for the rows without a value."""
        return self.operate(operators.is_, other)

    def is_not(self, other: None) -> ColumnElement[bool]:
        """Return the condition for the rows with a value."""
        return self.operate(operators.is_not, other)

    def adapt_to_entity(self, entity: Any) -> Searchable:
        """Return the attribute of the alias *entity*. SQLAlchemy calls it for aliases."""
        token = None if self._token is None else getattr(entity.entity, self._token.key)
        return Searchable(entity.entity, self.name, token, self.index_column)

    def operate(self, op: Any, *other: Any, **_: Any) -> ColumnElement[bool]:
        """Return the condition for an operator."""
        if op in {operators.eq, operators.is_} and other[0] is None:
            return self._compare_null(operators.is_)
        if op in {operators.ne, operators.is_not} and other[0] is None:
            return self._compare_null(operators.is_not)
        if op is operators.eq:
            return self._match_any([other[0]])
        if op is operators.in_op:
            return self._match_any(other[0])
        return self._raise_unsupported(op)

    def _bulk_update_tuples(self, value: Any) -> Sequence[tuple[str, Any]]:
        """Return the column for ``values()``. SQLAlchemy 2.0 calls it; 2.1 takes the name."""
        return [(self.name.rpartition(".")[2], value)]

    def __clause_element__(self) -> NoReturn:
        """Raise EncryptionError, because a query selects, orders or groups by the attribute."""
        self._raise_unsupported(None)

    def _compare_null(self, op: Callable[[Any, None], ColumnElement[bool]]) -> ColumnElement[bool]:
        column = self._token if self._token is not None else self._index_column()
        return op(column, None)

    def _match_any(self, values: Iterable[Any]) -> ColumnElement[bool]:
        index, column = self._require_index().blind_index, self._index_column()
        searched = map(self.check_values, check_searched(self.name, values))
        found = [each for value in searched for each in index.candidates(*value)]
        return or_(false(), column.in_(found)) if found else false()

    def _index_column(self) -> Any:
        return getattr(self.owner, self._require_index().column)

    def _require_index(self) -> IndexColumn:
        if self.index_column is None:
            raise EncryptionError(
                f"{self.name} is encrypted and has no index, so no query can find its values; "
                "declare one with index=Index(rows=...)"
            )
        return self.index_column

    def _raise_unsupported(self, op: Any) -> NoReturn:
        operation = _OPERATIONS.get(op, f"apply {getattr(op, '__name__', 'this')} to it")
        raise EncryptionError(
            f"{self.name} is encrypted: the database cannot {operation}, only compare for "
            "equality by a blind index; select the whole object and read the attribute"
        )

    def __hash__(self) -> int:
        return hash((self.owner, self.name))


_OPERATIONS: Final[dict[Any, str]] = {
    None: "select, order or group by it",
    operators.ne: "search for other values",
    operators.asc_op: "order by it",
    operators.desc_op: "order by it",
}


@lru_cache(maxsize=64)
def _build_query(owner: Any, column: str, parameters: tuple[str, ...]) -> Select[Any]:
    """Return a query for the rows whose *column* has one of the values of *parameters*.

    It is built once, because that takes longer than it runs.
    """
    stored = getattr(owner, column)
    return select(owner).where(or_(false(), *(stored == bindparam(each) for each in parameters)))


def find(session: Session, attribute: Searchable, value: Any) -> list[Any]:
    """Return the objects whose encrypted attribute has a value.

    Searches by the blind index, then decrypts and compares after normalisation, because several
    values share an index value.

    >>> find(session, User.email, "ada@example.com")             # doctest: +SKIP

    Args:
        session: The session that runs the query. Of an ``AsyncSession``, call ``run_sync``.
        attribute: The attribute of the class, such as ``User.email``.
        value: The value; for a compound index a tuple.

    Raises:
        EncryptionError: If the attribute is not encrypted or has no index, or *value* is not of its
            type.
        DecryptionFailed: If a token in a compared row is not authentic.

    """
    if iscoroutinefunction(session.scalars):
        raise EncryptionError(
            f"find cannot take {type(session).__name__}; call run_sync of the AsyncSession: await "
            "session.run_sync(lambda session: find(session, ...))"
        )
    _check_attribute(attribute)
    values = attribute.check_values(value)
    if type(attribute) is Searchable and None not in values:
        rows = session.scalars(*attribute.select_candidates(values))
    else:
        rows = session.scalars(select(attribute.owner).where(attribute == value))
    return exactly(rows, attribute, value)


def exactly(rows: Iterable[Any], attribute: Searchable, value: Any) -> list[Any]:
    """Return those of *rows* whose encrypted *attribute* equals *value* after normalisation.

    Args:
        rows: The result of a query by *attribute*, which may include rows with another value.
        attribute: The attribute of the class, such as ``User.email``.
        value: The value; for a compound index a tuple.

    Raises:
        EncryptionError: If the attribute is not encrypted or has no index, or *value* is not of its
            type.
        DecryptionFailed: If a token in one of *rows* is not authentic.

    """
    _check_attribute(attribute)
    column = attribute._require_index()  # noqa: SLF001 (a class of this module)
    wanted = attribute.check_values(value)
    return [
        row for row in rows if column.blind_index.values_equal(column.indexed_values(row), wanted)
    ]


def _check_attribute(attribute: object) -> None:
    """Raise EncryptionError if *attribute* is a name or the attribute of a plain column."""
    if not isinstance(attribute, Searchable):
        raise EncryptionError(
            f"{attribute} is not an encrypted attribute; pass that of the class, such as User.email"
        )
