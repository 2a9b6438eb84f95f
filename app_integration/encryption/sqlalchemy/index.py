"""Blind indexes beside encrypted columns, as a mapped class declares them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import mapped_column

from app_integration import wiring
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.registry import BlindIndexes, Normalise
from app_integration.encryption.sqlalchemy.columns import IndexType


@dataclass(frozen=True, slots=True)
class Index:
    """The index of one encrypted column: the arguments of ``BlindIndexes.index``."""

    rows: int
    distinct: int | None = None
    normalise: Normalise = "exact"
    low_entropy: bool = False

    def declare(self, name: str, indexes: BlindIndexes) -> BlindIndex:
        """The blind index under *name*; the one that is there when it is declared already."""
        return indexes.find(name) or indexes.index(
            name,
            rows=self.rows,
            distinct=self.distinct,
            normalise=self.normalise,
            low_entropy=self.low_entropy,
        )


class Indexed:
    """A blind index over attributes of a mapped class, and the column that keeps its values.

    Attributes:
        name: the index's id.
        column: the mapped attribute that keeps its values.
        of: the attributes that it is over, encrypted or not.
    """

    def __init__(self, name: str, spec: Index, column: str, of: Sequence[str]) -> None:
        self.name = name
        self.spec = spec
        self.column = column
        self.of = tuple(of)

    @property
    def blind(self) -> BlindIndex:
        """The index, under the keys of the process's wiring."""
        return self.spec.declare(self.name, wiring.current().indexes)

    def map(self, owner: type) -> None:
        """Give the class *owner* the column, unless it has one."""
        if not hasattr(owner, self.column):
            column = mapped_column(self.column, IndexType, nullable=True, index=True)
            setattr(owner, self.column, column)

    def given(self, row: Any) -> tuple[object, ...]:
        """The values of *row* that the index is over."""
        return tuple(getattr(row, name) for name in self.of)

    def update(self, row: Any) -> None:
        """Keep the column of *row* in step."""
        value = self.blind.value(*self.given(row))
        if getattr(row, self.column) != value:
            setattr(row, self.column, value)


class CompoundIndex:
    """An index over several attributes, such as a name and a date of birth; a class attribute.

    >>> class User(EncryptedRow, Base):                                      # doctest: +SKIP
    ...     name_born = CompoundIndex(
    ...         "users.name_born", ("name", "born"), rows=50_000, normalise=("casefold", "exact")
    ...     )
    >>> find(session, User.name_born, ("Ada", date(1815, 12, 10)))           # doctest: +SKIP

    Its column is called as the attribute, with ``_index`` after it.
    """

    def __init__(
        self,
        name: str,
        of: Sequence[str],
        *,
        rows: int,
        distinct: int | None = None,
        normalise: Sequence[Any] = (),
        low_entropy: bool = False,
    ) -> None:
        """Args: *of* are names of attributes; the others are those of ``BlindIndexes.index``."""
        by = tuple(normalise) or ("exact",) * len(of)
        self._name = name
        self._spec = Index(rows, distinct, by, low_entropy)
        self._of = tuple(of)

    def __set_name__(self, owner: type, name: str) -> None:
        self.indexed = Indexed(self._name, self._spec, f"{name}_index", self._of)
        self.indexed.map(owner)

    def __get__(self, row: Any, owner: type) -> Any:
        """On the class, what a query compares with; on a row, the values that are indexed."""
        from app_integration.encryption.sqlalchemy.search import Searchable  # noqa: PLC0415 (it imports this module)

        if row is None:
            return Searchable(owner, self._name, None, self.indexed)
        return self.indexed.given(row)
