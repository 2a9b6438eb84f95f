"""Objects that one query loads, whose values are decrypted together.

The values of one attribute are decrypted when it is read of a second object, because a single
object is read alone, and most queries for many objects read the same attributes of each. An object
whose token fails is left out here, and its own attribute raises the error when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias
from weakref import ref

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.base import instance_state

from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.parsed_token import Token
from app_integration.errors import StrongroomError
from app_integration.integrations.orm_values import (
    KnownValues,
    as_known_value,
    find_known,
    known_values,
)

#: The plain values of an object, its token and the context values that the token is bound to.
_Found: TypeAlias = tuple[KnownValues, Token, tuple[Any, ...]]
#: Where a state refers to the objects that were loaded with its own. It isn't in `info`, because
#: that is pickled.
_LOADED_WITH: Final = "_strongroom_loaded_with"


class LoadedRows(list[ref[Any]]):
    """Weak references to some objects of one class that one query loaded.

    Only the states of these objects refer to the list. So it keeps neither an object nor a value,
    and ends with the last of them.

    Attributes:
        names: The attributes that were read of one of the objects.
        decrypted: The attributes whose values were decrypted together.

    """

    SIZE: Final = 256

    __slots__ = ("__weakref__", "decrypted", "names")

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.decrypted: set[str] = set()

    @staticmethod
    def find(row: object) -> LoadedRows | None:
        """Return the objects that were loaded with *row*, or None."""
        found: LoadedRows | None = instance_state(row).__dict__.get(_LOADED_WITH)
        return found

    def add(self, state: InstanceState[Any]) -> None:
        """Add the object of *state*, which was just loaded."""
        self.append(state.obj)
        state.__dict__[_LOADED_WITH] = self

    def is_read_again(self, name: str) -> bool:
        """Return whether the attribute *name* is read for the second time.

        Returns True once, so that a token that fails does not fail for each object again.
        """
        if name not in self.names:
            self.names.add(name)
            return False
        if name in self.decrypted:
            return False
        self.decrypted.add(name)
        return True

    def decrypt(
        self, name: str, token_name: str, binding_of: Callable[[Any], Any], field: DeclaredField
    ) -> None:
        """Decrypt the values of an attribute that are not decrypted yet, and cache them.

        It raises nothing, because the caller reads another object's value.

        Args:
            name: The name of the attribute.
            token_name: The name of the attribute of its tokens.
            binding_of: Returns the context values in an object's ``__dict__``, or raises KeyError.
            field: The declared field.

        """
        found = self._find(name, token_name, binding_of)
        if not found:
            return
        cached, tokens, bindings = zip(*found, strict=True)
        try:
            batch = field.decrypt_many(tokens, *_columns(bindings))
        except StrongroomError:
            return
        failed = set(batch.failed)
        known = map(as_known_value, zip(batch.results, tokens, bindings, strict=True))
        for row, (values, value) in enumerate(zip(cached, known, strict=True)):
            if row not in failed:
                values[name] = value

    @staticmethod
    def drop(state: InstanceState[Any]) -> None:
        """Drop the values of an expired object that may have been decrypted with those of others.

        Args:
            state: The state of the object.

        """
        rows, row = state.__dict__.pop(_LOADED_WITH, None), state.obj()
        if rows is None or row is None:
            return
        for name in rows.decrypted:
            known = find_known(row, name)
            if known is not None and known.token is not None:
                del known_values(row)[name]

    def _find(self, name: str, token_name: str, binding_of: Callable[[Any], Any]) -> list[_Found]:
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
            values = known_values(row)
            # A value that was assigned is newer than its token.
            if token is not None and name not in values:
                found.append((values, token, binding))
        return found


def _columns(rows: Sequence[tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True))
