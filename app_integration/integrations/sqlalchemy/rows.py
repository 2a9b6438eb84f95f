"""Mapped classes with encrypted columns: checks, encryption and index values at each flush."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, event, inspect
from sqlalchemy.orm import InstanceState, Mapper, ORMExecuteState, Session

from app_integration.errors import ConfigurationError, EncryptionError
from app_integration.integrations.sqlalchemy import plaintext_column
from app_integration.integrations.sqlalchemy.attribute import Encrypted, EncryptedRowBase
from app_integration.integrations.sqlalchemy.compound_index import CompoundIndex
from app_integration.integrations.sqlalchemy.index import IndexColumn
from app_integration.integrations.sqlalchemy.loaded_rows import LoadedRows
from app_integration.integrations.sqlalchemy.new_rows import NewRows
from app_integration.integrations.sqlalchemy.reserved_keys import allow_keys, is_generated
from app_integration.integrations.sqlalchemy.row_context import is_new
from app_integration.integrations.sqlalchemy.upserts import check_upsert

#: Those of each class, because each assignment to an attribute of a context looks for them.
_ATTRIBUTES: Final[WeakKeyDictionary[type, Mapping[str, Encrypted]]] = WeakKeyDictionary()
_INDEXES: Final[WeakKeyDictionary[type, Sequence[IndexColumn]]] = WeakKeyDictionary()
_NEW: Final[WeakKeyDictionary[type, NewRows]] = WeakKeyDictionary()
_INDEXED: Final = (Encrypted, CompoundIndex)
#: With a class, the key of the rows that a query is loading, in its attributes.
_LOADED: Final = "strongroom_loaded_rows"


class EncryptedRow(EncryptedRowBase):
    """Mixin for a mapped class with :class:`Encrypted` attributes; name it before the base class.

    The primary key must be known before the row is written. It is assigned, or comes from a default
    that Python evaluates (``default=uuid4``), or from a sequence of PostgreSQL that is queried
    before (``Sequence``, ``Identity``, serial). Mapping a class with another key that the database
    generates raises ConfigurationError.
    """


def encrypted_attributes(owner: type) -> Mapping[str, Encrypted]:
    """Return the encrypted attributes of *owner* and its base classes, by name."""
    found = _ATTRIBUTES.get(owner)
    if found is None:
        each_of = _iter_attributes(owner)
        found = {name: each for name, each in each_of if isinstance(each, Encrypted)}
        _ATTRIBUTES[owner] = found
    return found


def index_columns(owner: type) -> Sequence[IndexColumn]:
    """Return the blind index columns of *owner* and its base classes."""
    found = _INDEXES.get(owner)
    if found is None:
        indexed = [each for _, each in _iter_attributes(owner) if isinstance(each, _INDEXED)]
        found = tuple(each.index_column for each in indexed if each.index_column is not None)
        _INDEXES[owner] = found
    return found


def new_rows(owner: type) -> NewRows:
    """Return the columns that new objects of *owner* get before they are inserted."""
    found = _NEW.get(owner)
    if found is None:
        found = _NEW[owner] = NewRows(owner, encrypted_attributes(owner), index_columns(owner))
    return found


def create_index_keys(*owners: type) -> list[str]:
    """Create the first key of each index that has none.

    Call it in the migration that creates the table, and not later: another key would find none of
    the index values that rows already have. See ``BlindIndex.create``.

    Args:
        owners: Mapped :class:`EncryptedRow` classes.

    Returns:
        The ids of the indexes whose key was created.

    Raises:
        IndexKeyLost: If there are stored keys, but not as they were written.
        KeyUnavailable: If a key cannot be created or stored now.

    """
    columns = [column for owner in owners for column in index_columns(owner)]
    return [column.name for column in columns if column.blind_index.create()]


def column_values(owner: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attribute values as column values, for ``insert(User)`` and other bulk inserts.

    Args:
        owner: A mapped :class:`EncryptedRow` class.
        values: The values by attribute name, including those that tokens are bound to.

    Returns:
        The values by the name of the column attribute, with tokens and index values.

    Raises:
        EncryptionError: If a value cannot be encrypted, or a value it is bound to is missing.

    """
    row = owner(**values)
    _fill_columns(row)
    mapper: Mapper[Any] = inspect(owner)
    loaded, names = inspect(row).dict, mapper.column_attrs.keys()
    return {name: loaded[name] for name in names if name in loaded}


def renew(row: EncryptedRow) -> None:
    """Encrypt each value of *row* again with the active data key, and update its index values."""
    for attribute in encrypted_attributes(type(row)).values():
        attribute.reencrypt(row)
    _update_indexes(row)


def is_indexed_now(row: EncryptedRow) -> bool:
    """Return whether *row* has all its index values, under the key version for new values.

    If not, call :func:`renew`.
    """
    return all(each.is_current(row) for each in index_columns(type(row)))


def _iter_attributes(owner: type) -> Iterator[tuple[str, object]]:
    seen: set[str] = set()
    for kind in owner.__mro__:
        for name, each in vars(kind).items():
            if name not in seen:
                seen.add(name)
                yield name, each


@event.listens_for(EncryptedRow, "after_mapper_constructed", propagate=True)
def _check_mapping(mapper: Mapper[Any], owner: type) -> None:
    """Raise ConfigurationError if the primary key is unsuitable or missing in a context.

    Tokens are bound to it, so it must be known before the row is written.
    """
    for column in mapper.primary_key:
        if column.identity is not None or is_generated(column):
            allow_keys(column)
        elif column.server_default is not None and column.default is None:
            raise ConfigurationError(
                f"{owner.__name__}.{column.key}: tokens are bound to this key before the row is "
                "written, so the database can generate it by a sequence only; use default=uuid4"
            )
    keys = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
    # Not `column_attrs`, which resolves relationships, also those to classes declared later.
    known = set(mapper.columns.keys())
    for name, each in encrypted_attributes(owner).items():
        bound = set(each.row_context.names(owner))
        if not keys <= bound or not bound <= known:
            raise ConfigurationError(
                f"{owner.__name__}.{name}: context={sorted(bound)}; name attributes with columns "
                f"of their own, and the whole primary key among them: {sorted(keys)}"
            )


@event.listens_for(EncryptedRow, "after_mapper_constructed", propagate=True)
def _watch_contexts(mapper: Mapper[Any], owner: type) -> None:  # noqa: ARG001 (SQLAlchemy's signature)
    """Listen to changes of what tokens are bound to, with the values before them.

    Otherwise nothing would notice an assignment to an expired object, which does not load them.
    """
    for each in encrypted_attributes(owner).values():
        for name in each.row_context.names(owner):
            event.listen(getattr(owner, name), "set", _on_context_set, active_history=True)


def _on_context_set(row: Any, value: Any, previous: Any, initiator: Any) -> None:
    """Encrypt again what is bound to an attribute that changes. See ``Encrypted.bind``."""
    if value == previous:
        return
    for each in encrypted_attributes(type(row)).values():
        if initiator.key in each.row_context.names(type(row)):
            each.bind(row, initiator.key, value)


@event.listens_for(EncryptedRow, "load", propagate=True, raw=True)
@event.listens_for(EncryptedRow, "refresh", propagate=True, raw=True)
def _on_load(state: InstanceState[Any], context: Any, _names: object = None) -> None:
    """Note which objects a query loads together. See :class:`LoadedRows`."""
    if context is None:
        return
    key = _LOADED, state.manager.class_
    rows = context.attributes.get(key)
    if rows is None or len(rows) == LoadedRows.SIZE:
        rows = context.attributes[key] = LoadedRows()
    rows.add(state)


@event.listens_for(EncryptedRow, "expire", propagate=True, raw=True)
def _on_expire(state: InstanceState[Any], _names: object) -> None:
    """Drop the values of an object that were decrypted together with those of others."""
    LoadedRows.drop(state)


@event.listens_for(Session, "do_orm_execute")
def _check_bulk(executed: ORMExecuteState) -> None:
    """Raise EncryptionError if a bulk statement names an encrypted attribute.

    SQLAlchemy ignores names that are no columns of the class, so the value would be lost. Nor may
    an upsert write a token into a row with another key.
    """
    mapper, given = executed.bind_mapper, executed.parameters
    if mapper is None or not issubclass(mapper.class_, EncryptedRow):
        return
    table: Any = mapper.local_table
    if executed.is_insert:
        check_upsert(executed.statement, table)
    if not given:
        return
    rows = [given] if isinstance(given, Mapping) else given
    if executed.is_insert or (executed.is_update and rows is given):
        attributes = encrypted_attributes(mapper.class_)
        for name in (each for row in rows for each in row if each in attributes):
            owner = mapper.class_.__name__
            raise EncryptionError(
                f"{owner}.{name} is encrypted, so a bulk statement cannot write it; use "
                f"column_values({owner}, ...)"
            )


@event.listens_for(EncryptedRow, "before_insert", propagate=True, raw=True)
def _before_insert(mapper: Mapper[Any], connection: Connection, state: InstanceState[Any]) -> None:  # noqa: ARG001 (SQLAlchemy's signature)
    new = new_rows(state.class_)
    new.reserve_keys(state, connection)
    if not new.is_filled(state):
        row = state.obj()
        new.set_key(row, connection)
        _fill_columns(row)


@event.listens_for(EncryptedRow, "before_update", propagate=True)
def _before_update(mapper: Mapper[Any], connection: Connection, row: Any) -> None:  # noqa: ARG001 (SQLAlchemy's signature)
    state = inspect(row)
    for name, each in encrypted_attributes(type(row)).items():
        changed = [
            key for key in each.row_context.names(type(row)) if state.attrs[key].history.deleted
        ]
        is_kept = not plaintext_column.is_written(row, each.token_name)
        if changed and is_kept and getattr(row, each.token_name) is not None:
            raise EncryptionError(
                f"{type(row).__name__}.{name} is bound to {', '.join(changed)}, which changed; "
                "assign the value again too"
            )
    _fill_columns(row)


def _fill_columns(row: Any) -> None:
    """Encrypt the values that have no token yet, and update the index values."""
    for each in encrypted_attributes(type(row)).values():
        each.encrypt_pending(row)
    _update_indexes(row)


def _update_indexes(row: Any) -> None:
    """Set the index values of *row* to those of its current values.

    That of a value that is written is written too, even if it is the one that was loaded: another
    process may have changed both since.
    """
    attributes, has_no_row = encrypted_attributes(type(row)), is_new(row)
    for column in index_columns(type(row)):
        of = [attributes.get(name) for name in column.of]
        is_migrated = any(each is not None and each.plaintext is not None for each in of)
        if has_no_row and not is_migrated:
            row.__dict__[column.column] = column.compute(row)  # each value of it is written
        elif any(map(partial(_is_written, row), column.of)):
            plaintext_column.write(row, column.column, column.compute(row))
        elif not is_migrated:
            value = column.compute(row)
            if getattr(row, column.column) != value:
                setattr(row, column.column, value)


def _is_written(row: Any, name: str) -> bool:
    attribute = encrypted_attributes(type(row)).get(name)
    return plaintext_column.is_written(row, name if attribute is None else attribute.token_name)
