"""Lookups of encrypted fields by their blind index, or by plaintext while a table is migrated."""

from __future__ import annotations

from typing import Any

from django.db.models.expressions import Col
from django.db.models.lookups import Exact, In

from app_integration.integrations.orm_values import check_searched


class IndexIn(In):  # type: ignore[misc] # Django has no types
    """Lookup of rows with an index value of one of the values.

    A row that it finds may have another value, because several values share an index value.
    """

    def get_prep_lookup(self) -> Any:
        """Return the index values of all values."""
        field = self.lhs.target.index_field()
        searched = map(field.check_values, check_searched(self.lhs.target, self.rhs))
        return [each for value in searched for each in field.blind_index.candidates(*value)]

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return the SQL of the comparison with the index column."""
        column = self.lhs.target.index_field().get_col(self.lhs.alias)
        # Django takes twice as long for a list, and a single key version has no other values.
        is_one = len(self.rhs) == 1
        lookup = Exact(column, self.rhs[0]) if is_one else In(column, self.rhs)
        return lookup.as_sql(compiler, connection)


class IndexExact(IndexIn):
    """Lookup of rows with an index value of one value."""

    lookup_name = "exact"

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__(lhs, [rhs])

    def get_prep_lookup(self) -> Any:
        """Return the index values of the value, or None to let Django search for NULL."""
        return None if self.rhs == [None] else super().get_prep_lookup()


class PlaintextCol(Col):  # type: ignore[misc] # as above
    """Column of an encrypted field in queries that read its plaintext.

    Its target is the encrypted field, to which Django assigns the value. Its output field is that
    of the plaintext, which has the lookups and the name of the column.
    """

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return the SQL of the plaintext column."""
        return Col(self.alias, self.output_field).as_sql(compiler, connection)

    def get_db_converters(self, connection: Any) -> Any:
        """Return the converters of plaintext, and not those of tokens."""
        return self.output_field.get_db_converters(connection)
