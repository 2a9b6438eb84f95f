"""Objects of one class that a flush inserts, whose values are encrypted together.

The first of them encrypts the values of all new objects of its class in the session. An object that
was changed after that, or that could not be encrypted with the others, is encrypted in its own
turn, which raises the error if there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.orm.base import instance_state

from app_integration.errors import EncryptionError, IndexKeyLost, KeyUnavailable
from app_integration.integrations.orm_values import KnownValues, known_values, token_of
from app_integration.integrations.sqlalchemy.attribute import Encrypted
from app_integration.integrations.sqlalchemy.index import IndexColumn
from app_integration.integrations.sqlalchemy.reserved_keys import (
    find_generated,
    new_objects,
    reserve,
)

#: Objects that are encrypted together, because fewer take less time in their own turns.
FEWEST: Final = 8
#: The ``__dict__`` of an object, its plain values, and the values that its tokens are bound to.
_Object: TypeAlias = tuple[dict[str, Any], KnownValues, tuple[Any, ...]]
#: Where a state has the tokens and index values that its object got with the others; None if it got
#: none. It isn't in `info`, because that is pickled.
_GIVEN: Final = "_strongroom_given"


class NewRows:
    """New objects of one class, and the columns that each gets before it is inserted."""

    def __init__(
        self, owner: type, attributes: Mapping[str, Encrypted], indexes: Sequence[IndexColumn]
    ) -> None:
        """Collect the columns of a class."""
        mapper: Mapper[Any] = inspect(owner)
        named = ((mapper.get_property_by_column(each).key, each) for each in mapper.primary_key)
        self._defaults = {name: each.default for name, each in named if each.default is not None}
        self._generated = find_generated(mapper)
        self._attributes = tuple(attributes.values())
        self._indexes = indexes
        self._tokens = tuple(each.token_name for each in self._attributes)
        self._bound = {name for each in self._attributes for name in each.row_context.names(owner)}
        self._given = (*self._tokens, *(each.column for each in indexes), *self._bound)
        # An indexed attribute that is not encrypted may change before the turn of its object, and a
        # Sequence is queried by the connection of each object.
        indexed = {name for each in indexes for name in each.of}
        self._are_together = (
            indexed <= attributes.keys()
            and not any(each.plaintext for each in self._attributes)
            and not any(each.is_sequence for each in self._defaults.values())
        )

    def is_filled(self, state: InstanceState[Any]) -> bool:
        """Fill new objects together; return whether this one has its tokens and index values."""
        session = state.session
        if not self._are_together or session is None:
            return False
        if _GIVEN not in state.__dict__:
            self._fill(state.class_, session.new)
        given = state.__dict__.pop(_GIVEN, None)
        if given is None or given != tuple(map(state.dict.get, self._given)):
            return False
        return None not in map(token_of, known_values(state.obj()).values())

    def reserve_keys(self, state: InstanceState[Any], connection: Connection) -> None:
        """Set the primary keys that the database would generate, of all new objects at once."""
        for name, column in self._generated.items():
            if state.dict.get(name) is None:
                rows = [row for row in new_objects(state) if row.__dict__.get(name) is None]
                keys = reserve(connection, column, len(rows))
                for row, key in zip(rows, keys, strict=True):
                    self._assign(row, name, key)

    def set_key(self, row: Any, connection: Connection | None = None) -> None:
        """Set the primary key of a new object by its defaults, if it has none."""
        for name, default in self._defaults.items():
            if row.__dict__.get(name) is None:
                self._assign(row, name, _next_key(default, connection))

    def _assign(self, row: Any, name: str, key: Any) -> None:
        """Set the attribute *name* of a new object to *key*.

        An assignment decrypts the tokens that were copied to the object, to bind them to the key.
        """
        if any(map(row.__dict__.get, self._tokens)):
            setattr(row, name, key)
        else:
            row.__dict__[name] = key

    def _fill(self, owner: type, new: Iterable[object]) -> None:
        """Encrypt and index the values of those objects of *new* that are of the class *owner*."""
        rows = [row for row in new if type(row) is owner]
        for row in rows:
            instance_state(row).__dict__[_GIVEN] = None
        if len(rows) < FEWEST:
            return
        ready = [row for row in rows if self._is_ready(row)]
        try:
            self._encrypt(owner, ready)
            self._index(ready)
        except (KeyUnavailable, IndexKeyLost):
            raise
        except EncryptionError:
            return  # because the object that it is about raises it
        for row in ready:
            instance_state(row).__dict__[_GIVEN] = tuple(map(row.__dict__.get, self._given))

    def _is_ready(self, row: Any) -> bool:
        """Return whether *row* has no token, and all that its tokens are bound to."""
        loaded = row.__dict__
        if any(map(loaded.get, self._tokens)):
            return False
        self.set_key(row)
        return None not in map(loaded.get, self._bound)

    def _encrypt(self, owner: type, rows: Sequence[Any]) -> None:
        plain = [(row.__dict__, known_values(row)) for row in rows]
        bound: dict[tuple[str, ...], list[_Object]] = {}
        for each in self._attributes:
            context = each.row_context
            if context.declared not in bound:
                bound[context.declared] = [
                    (loaded, values, context.loaded_values(loaded)) for loaded, values in plain
                ]
            _encrypt_attribute(each, owner, bound[context.declared])

    def _index(self, rows: Sequence[Any]) -> None:
        for each in self._indexes:
            columns = [[getattr(row, name) for row in rows] for name in each.of]
            for row, value in zip(rows, each.blind_index.values(*columns), strict=True):
                row.__dict__[each.column] = value


def _encrypt_attribute(attribute: Encrypted, owner: type, objects: Iterable[_Object]) -> None:
    """Encrypt the values of *attribute* that have no token yet."""
    name, token_name = attribute.name, attribute.token_name
    found = [
        (values[name][0], *each)
        for each in objects
        if name in (values := each[1]) and token_of(values[name]) is None
    ]
    if not found:
        return
    plain, written, cached, bindings = zip(*found, strict=True)
    field = attribute.declared_field(owner)
    tokens = field.encrypt_many(plain, *zip(*bindings, strict=True))
    known = zip(plain, tokens, bindings, strict=True)
    for loaded, values, token, each in zip(written, cached, tokens, known, strict=True):
        loaded[token_name] = token
        values[name] = each


def _next_key(default: Any, connection: Connection | None) -> Any:
    """Return the primary key from *default*, querying the database if that is a sequence."""
    if connection is not None and default.is_sequence:
        return connection.scalar(default)
    return default.arg(None) if default.is_callable else default.arg
