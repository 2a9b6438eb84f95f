"""Mapped objects that one query loads. See :mod:`app_integration.integrations.loaded_rows`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.base import instance_state

from app_integration.encryption.declared_field import DeclaredField
from app_integration.integrations.loaded_rows import Found, LoadedRowsBase
from app_integration.integrations.orm_values import CACHE_KEY, find_known, known_values, token_of

#: Where a state refers to the objects that were loaded with its own. It isn't in `info`, because
#: that is pickled.
_LOADED_WITH: Final = "_strongroom_loaded_with"


class LoadedRows(LoadedRowsBase):
    """Weak references to some objects of one class, to which only their states refer."""

    __slots__ = ()

    @staticmethod
    def find(row: object) -> LoadedRows | None:
        """Return the objects that were loaded with *row*, or None."""
        found: LoadedRows | None = instance_state(row).__dict__.get(_LOADED_WITH)
        return found

    def add(self, state: InstanceState[Any]) -> None:
        """Add the object of *state*, which was just loaded."""
        self.append(state.obj)
        state.__dict__[_LOADED_WITH] = self

    def decrypt(
        self, name: str, token_name: str, binding_of: Callable[[Any], Any], field: DeclaredField
    ) -> None:
        """Decrypt the values of an attribute that are not decrypted yet, and cache them.

        It raises nothing, because the caller reads another object's value.
        """
        decrypted = self.decrypt_found(field, self._find(name, token_name, binding_of))
        for values, value, token, binding in decrypted:
            values[name] = value, token, binding

    @staticmethod
    def drop(state: InstanceState[Any]) -> None:
        """Drop an expired object's values that may have been decrypted with those of others."""
        rows, row = state.__dict__.pop(_LOADED_WITH, None), state.obj()
        if rows is None or row is None:
            return
        for name in rows.decrypted:
            known = find_known(row, name)
            if known is not None and token_of(known) is not None:
                del known_values(row)[name]

    def _find(self, name: str, token_name: str, binding_of: Callable[[Any], Any]) -> list[Found]:
        found = []
        for each in self:
            row = each()
            if row is None or instance_state(row).__dict__.get(_LOADED_WITH) is not self:
                continue
            loaded = row.__dict__
            try:
                token, binding = loaded[token_name], binding_of(loaded)
            except KeyError:
                continue  # because the column was not loaded
            values = loaded.get(CACHE_KEY) or known_values(row)
            # A value that was assigned is newer than its token.
            if token is not None and name not in values:
                found.append((values, token, binding))
        return found
