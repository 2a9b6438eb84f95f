"""Rows with encrypted columns: bound to their key, and in step with their indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, event, inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.schema import ColumnDefault, Identity, Sequence

from app_integration.errors import ConfigurationError, EncryptionError
from app_integration.integrations.sqlalchemy.attribute import Encrypted, Row
from app_integration.integrations.sqlalchemy.compound_index import CompoundIndex
from app_integration.integrations.sqlalchemy.index import Indexed


class EncryptedRow(Row):
    """Mixin of a mapped class with :class:`Encrypted` attributes; name it before the base class.

    Its primary key is made by the client: a default that Python evaluates (``default=uuid4``), a
    ``Sequence``, which is asked before the row is written, or set by hand. One that the database
    makes would be known too late, and is refused when the class is mapped.
    """


def encrypted_attributes(owner: type) -> dict[str, Encrypted]:
    """The encrypted attributes of *owner* and its bases, by name."""
    return {name: each for name, each in _members(owner) if isinstance(each, Encrypted)}


def indexes(owner: type) -> Iterator[Indexed]:
    """The blind indexes of *owner* and its bases."""
    for _, each in _members(owner):
        if isinstance(each, Encrypted | CompoundIndex) and each.indexed is not None:
            yield each.indexed


def create_index_keys(*owners: type) -> list[str]:
    """Make the first key of each index of *owners* that has none; return the names of those.

    For the migration that makes the table, as ``BlindIndex.create`` says. Raises as that does.

    Args:
        owners: mapped :class:`EncryptedRow` classes.

    """
    declared = {one.name: one.blind for owner in owners for one in indexes(owner)}
    return [name for name, blind in declared.items() if blind.create()]


def column_values(owner: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """*values* of attributes as those of columns, for inserts past the object: ``insert(User)``.

    Args:
        owner: a mapped :class:`EncryptedRow`.
        values: by attribute; those that tokens are bound to must be among them.

    Raises:
        EncryptionError: a value can't be encrypted, or what it is bound to is missing.

    """
    row = owner(**values)
    _complete(row)
    mapper: Mapper[Any] = inspect(owner)
    loaded, names = inspect(row).dict, mapper.column_attrs.keys()
    return {name: loaded[name] for name in names if name in loaded}


def renew(row: EncryptedRow) -> None:
    """Make every token of *row* anew, under the data key of today, and its index values."""
    for each in encrypted_attributes(type(row)).values():
        each.renew(row)
    for one in indexes(type(row)):
        one.update(row)


def is_indexed_now(row: EncryptedRow) -> bool:
    """Whether the index values of *row* are of the versions that are written; else renew it."""
    return all(one.blind.is_current(getattr(row, one.column)) for one in indexes(type(row)))


def _members(owner: type) -> Iterator[tuple[str, object]]:
    seen: set[str] = set()
    for kind in owner.__mro__:
        for name, each in vars(kind).items():
            if name not in seen:
                seen.add(name)
                yield name, each


@event.listens_for(EncryptedRow, "after_mapper_constructed", propagate=True)
def _check(mapper: Mapper[Any], owner: type) -> None:
    """Refuse a key that isn't known before the row is written, and contexts that leave it out."""
    for column in mapper.primary_key:
        made_by_client = isinstance(column.default, ColumnDefault | Sequence)
        by_database = column is column.table.autoincrement_column or column.server_default
        if isinstance(column.identity, Identity) or (by_database and not made_by_client):
            raise ConfigurationError(
                f"{owner.__name__}.{column.key}: tokens are bound to this key before the row is "
                "written, so the database can't make it; use default=uuid4, or a Sequence"
            )
    keys = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
    for name, each in encrypted_attributes(owner).items():
        bound = set(each.names(owner))
        if not keys <= bound or not bound <= set(mapper.column_attrs.keys()):
            raise ConfigurationError(
                f"{owner.__name__}.{name}: context={sorted(bound)}; name attributes with columns "
                f"of their own, and the whole primary key among them: {sorted(keys)}"
            )


@event.listens_for(EncryptedRow, "before_insert", propagate=True)
def _before_insert(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    for column in mapper.primary_key:
        name = mapper.get_property_by_column(column).key
        if getattr(row, name) is None and column.default is not None:
            setattr(row, name, _made(column.default, connection))
    _complete(row)


@event.listens_for(EncryptedRow, "before_update", propagate=True)
def _before_update(mapper: Mapper[Any], connection: Connection, row: Any) -> None:  # noqa: ARG001 (SQLAlchemy's signature)
    state = inspect(row)
    for name, each in encrypted_attributes(type(row)).items():
        changed = [key for key in each.names(type(row)) if state.attrs[key].history.deleted]
        if changed and not state.attrs[each.token_name].history.added:
            raise EncryptionError(
                f"{type(row).__name__}.{name} is bound to {', '.join(changed)}, which changed; "
                "assign the value again too"
            )
    _complete(row)


def _complete(row: Any) -> None:
    """Make the tokens that are missing, and the index values."""
    owner = type(row)
    for name, each in encrypted_attributes(owner).items():
        absent = [key for key in each.names(owner) if getattr(row, key) is None]
        if absent and each.is_pending(row):
            raise EncryptionError(
                f"{owner.__name__}.{name} is bound to {', '.join(absent)}, which has no value yet"
            )
        each.seal(row)
    for one in indexes(owner):
        one.update(row)


def _made(default: Any, connection: Connection) -> Any:
    """The key that *default* gives; a sequence is asked now."""
    if default.is_sequence:
        return connection.scalar(default)
    return default.arg(None) if default.is_callable else default.arg
