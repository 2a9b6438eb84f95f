"""A blind index over several attributes of a mapped class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app_integration.integrations.sqlalchemy.index import Index, IndexColumn
from app_integration.integrations.sqlalchemy.search import Searchable


class CompoundIndex:
    """A blind index over several attributes, such as a name and a date of birth.

    Declare it as an attribute of the mapped class:

    >>> class User(EncryptedRow, Base):                                      # doctest: +SKIP
    ...     name_born = CompoundIndex(
    ...         "users.name_born", ("name", "born"), rows=50_000, normalise=("casefold", "exact")
    ...     )
    >>> find(session, User.name_born, ("Ada", date(1815, 12, 10)))           # doctest: +SKIP

    The name of its column is that of the attribute with the suffix ``_index``.
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
        """Declare the index; no request is sent yet.

        Args:
            name: The id of the index.
            of: The names of the indexed attributes.
            rows: As for ``BlindIndexes.index``.
            distinct: As for ``BlindIndexes.index``.
            normalise: One for each attribute, as for ``BlindIndexes.index``; by default ``exact``.
            low_entropy: As for ``BlindIndexes.index``.

        """
        normalisers = tuple(normalise) or ("exact",) * len(of)
        self._name = name
        self._spec = Index(rows, distinct, normalisers, low_entropy)
        self._of = tuple(of)

    def __set_name__(self, owner: type, name: str) -> None:
        self.index_column = IndexColumn(self._name, self._spec, f"{name}_index", self._of)
        self.index_column.add_to(owner)

    def __get__(self, row: Any, owner: type) -> Any:
        """Return the values of the indexed attributes, or on the class an operand for queries."""
        if row is None:
            return Searchable(owner, self._name, None, self.index_column)
        return self.index_column.indexed_values(row)
