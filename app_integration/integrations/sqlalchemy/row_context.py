"""Context of an encrypted attribute: the values in its row that each token is bound to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.base import instance_state

from app_integration.integrations.orm_values import compile_reader


def is_new(row: Any) -> bool:
    """Return whether the mapped object *row* has no row in the database yet."""
    return instance_state(row).key is None


class RowContext:
    """Attributes whose values a token is bound to beside the field's id.

    *loaded_values* raises KeyError if one of them is not loaded in an object's ``__dict__``.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Declare the context. No *names* stand for the primary key."""
        self.declared = tuple(names)
        self.loaded_values = compile_reader(self.declared)

    def names(self, owner: type) -> tuple[str, ...]:
        """Return the names of the attributes of the mapped class *owner*."""
        if not self.declared:
            mapper: Mapper[Any] = inspect(owner)
            keys = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
            self.loaded_values = compile_reader(keys)
            self.declared = tuple(keys)
        return self.declared

    def values(self, row: Any) -> tuple[Any, ...]:
        """Return the values of *row*, and load them if they expired."""
        names = self.declared or self.names(type(row))
        try:
            return self.loaded_values(row.__dict__)
        except KeyError:
            return tuple(getattr(row, name) for name in names)

    def may_be_complete(self, row: Any) -> bool:
        """Return whether *row* may have all values, without a call for the default of each."""
        names = self.declared or self.names(type(row))
        return all(map(row.__dict__.__contains__, names)) or not is_new(row)
