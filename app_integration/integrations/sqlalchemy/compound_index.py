"""A blind index over several attributes of a mapped class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app_integration.integrations.sqlalchemy.index import Index, Indexed
from app_integration.integrations.sqlalchemy.search import Searchable


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
        if row is None:
            return Searchable(owner, self._name, None, self.indexed)
        return self.indexed.given(row)
