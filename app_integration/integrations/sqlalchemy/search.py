"""Queries over encrypted attributes: equality by their blind index, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import operators
from sqlalchemy.sql.operators import ColumnOperators

from app_integration.errors import EncryptionError
from app_integration.integrations.sqlalchemy.index import Indexed


class Searchable(ColumnOperators):
    """An encrypted attribute as it stands in a query.

    ``==`` and ``in_`` find the rows that may hold a value: some that don't are among them, as
    several values share an index value. :func:`find` and :func:`exactly` sort those out.
    """

    def __init__(self, owner: Any, name: str, token: Any, indexed: Indexed | None) -> None:
        """Args: *owner* is the mapped class, or an alias of it; *token* its column of tokens."""
        self.owner = owner
        self.name = name
        self.indexed = indexed
        self._token = token

    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override] # as SQLAlchemy's own
        return self.operate(operators.eq, other)

    def in_(self, other: Any) -> ColumnElement[bool]:
        """The rows that may hold one of *other*."""
        return self.operate(operators.in_op, other)

    def is_(self, other: None) -> ColumnElement[bool]:
        """The rows without a value."""
        return self.operate(operators.is_, other)

    def is_not(self, other: None) -> ColumnElement[bool]:
        """The rows with a value."""
        return self.operate(operators.is_not, other)

    def adapt_to_entity(self, entity: Any) -> Searchable:
        """The same attribute of an alias; SQLAlchemy asks for it."""
        token = None if self._token is None else getattr(entity.entity, self._token.key)
        return Searchable(entity.entity, self.name, token, self.indexed)

    def operate(self, op: Any, *other: Any, **_: Any) -> ColumnElement[bool]:
        """The condition that *op* stands for.

        Raises:
            EncryptionError: an encrypted column can't be asked that.

        """
        if op in {operators.eq, operators.is_} and other[0] is None:
            return self._column(operators.is_)
        if op in {operators.ne, operators.is_not} and other[0] is None:
            return self._column(operators.is_not)
        if op is operators.eq:
            return self._one_of([other[0]])
        if op is operators.in_op:
            return self._one_of(other[0])
        return self._refuse(op)

    def __clause_element__(self) -> NoReturn:
        """Asked for where a column is selected, ordered or grouped by."""
        self._refuse(None)

    def _column(self, op: Callable[[Any, None], ColumnElement[bool]]) -> ColumnElement[bool]:
        column = self._token if self._token is not None else self._index_column()
        return op(column, None)

    def _one_of(self, values: Iterable[Any]) -> ColumnElement[bool]:
        indexed, column = self._required(), self._index_column()
        found = [each for value in values for each in indexed.blind.candidates(*_given(value))]
        return or_(false(), column.in_(found)) if found else false()

    def _index_column(self) -> Any:
        return getattr(self.owner, self._required().column)

    def _required(self) -> Indexed:
        if self.indexed is None:
            raise EncryptionError(
                f"{self.name} is encrypted and has no index, so no query can find its values; "
                "declare one with index=Index(rows=...)"
            )
        return self.indexed

    def _refuse(self, op: Any) -> NoReturn:
        asked = _NAMES.get(op, getattr(op, "__name__", "this")) if op else "select, order or group"
        raise EncryptionError(
            f"{self.name} is encrypted: the database can't {asked} by it. It can only compare for "
            "equality by a blind index; select the whole object and read the attribute"
        )

    def __hash__(self) -> int:
        return hash((self.owner, self.name))


_NAMES: Final[dict[Any, str]] = {
    operators.ne: "look for what differs",
    operators.asc_op: "order",
    operators.desc_op: "order",
}


def find(session: Session, attribute: Searchable, value: Any) -> list[Any]:
    """The objects whose encrypted *attribute* is *value*, decrypted and compared.

    >>> find(session, User.email, "ada@example.com")             # doctest: +SKIP

    Raises:
        EncryptionError: the attribute has no index.
        DecryptionFailed: a row that was looked at isn't authentic.

    """
    rows = session.scalars(select(attribute.owner).where(attribute == value))
    return exactly(rows, attribute, value)


def exactly(rows: Iterable[Any], attribute: Searchable, value: Any) -> list[Any]:
    """Of *rows*, which a query by *attribute* found, those that do hold *value*."""
    indexed = attribute._required()  # noqa: SLF001 (of this module)
    wanted = _given(value)
    return [row for row in rows if indexed.blind.same(indexed.given(row), wanted)]


def _given(value: Any) -> Sequence[Any]:
    """What an index is given: a tuple for a compound one."""
    return value if isinstance(value, tuple) else (value,)
