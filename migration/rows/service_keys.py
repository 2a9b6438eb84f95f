"""Keys of the service whose table is migrated, used as its application uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from app_integration.client import Client
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.encryption.tokens.associated_data import Binding
from migration.rows.row_cipher import RowCipher
from migration.rows.source_cipher import SourceCipher
from migration.table.migrated_table import MigratedColumn, MigratedTable
from vault.declare.schema.migrated_field import BlindIndexColumn, OldEncryption
from vault.declare.schema.migration import MigrationPlan

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app_integration.encryption.cipher import FieldCipher

#: A Transit key, and the table of data keys that it wraps; None if tokens carry their data keys.
_Keys: TypeAlias = tuple[str, str | None]

#: Types of fields by the names that a plan has for them.
TYPES: Final[Mapping[str, type]] = {
    each.__name__: each
    for each in (str, bytes, int, bool, Decimal, date, datetime, UUID, dict, list)
}


def open_cipher(
    client: Client, engine: Engine, plan: MigrationPlan, table: MigratedTable
) -> RowCipher:
    """Return the cipher of the rows of *table*.

    Tables of keys that are missing are created, and so is the first key of an index: this is the
    migration that fills its column. Those of old tokens and old indexes must exist. *client* has
    encrypted nothing yet.
    """
    if plan.data_keys is not None:
        TableDataKeys(engine, plan.data_keys).create()
    encrypted = {name: each.encrypted for name, each in plan.columns.items()}
    old = {name: each for name, each in encrypted.items() if each is not None}
    # Of the last keys, the client keeps the table.
    new_keys = () if plan.is_decrypting else ((plan.key, plan.data_keys),)
    ciphers = _open_ciphers(client, engine, (*map(_keys, old.values()), *new_keys))
    columns = {each.old: each for each in table.columns}
    fields = {
        name: _declare_new(ciphers[keys], plan, each)
        for name, each in columns.items()
        for keys in new_keys
    }
    old_fields = {
        name: _declare_old(ciphers[_keys(each)], plan, each, columns[name])
        for name, each in old.items()
    }
    new_indexes, old_indexes = _open_indexes(client, engine, plan)
    return RowCipher(table, fields, new_indexes, SourceCipher(table, old_fields, old_indexes))


def _keys(old: OldEncryption) -> _Keys:
    return old.key, old.data_keys


def _open_ciphers(
    client: Client, engine: Engine, wanted: Iterable[_Keys]
) -> dict[_Keys, FieldCipher]:
    """Return the ciphers of *wanted*; the client keeps the table of the last."""
    found = {}
    for keys in wanted:
        key, data_keys = keys
        client.use_data_keys(None if data_keys is None else TableDataKeys(engine, data_keys))
        found[keys] = client.cipher(key)
    return found


def _declare_new(cipher: FieldCipher, plan: MigrationPlan, column: MigratedColumn) -> DeclaredField:
    """Return the field of the new tokens of *column*."""
    declared = plan.columns[column.old]
    context = [plan.attributes.get(name, name) for name in column.context]
    return cipher.field(declared.field, context, TYPES[declared.type])


def _declare_old(
    cipher: FieldCipher, plan: MigrationPlan, old: OldEncryption, column: MigratedColumn
) -> DeclaredField:
    """Return the field of the old tokens of *column*."""
    declared = plan.columns[column.old]
    attributes = plan.attributes if old.attributes is None else old.attributes
    context = [attributes.get(name, name) for name in column.old_context or ()]
    binding = Binding(old.resolve_field(declared.field), [*context, *old.constants])
    return DeclaredField(cipher, binding, TYPES[declared.type])


def _open_indexes(
    client: Client, engine: Engine, plan: MigrationPlan
) -> tuple[dict[str, BlindIndex], dict[str, BlindIndex]]:
    """Return the blind index of each new index column, and of each old one."""
    if not (plan.index_columns or plan.old_index_columns):
        return {}, {}
    index_keys = TableIndexKeys(engine, plan.index_keys)
    index_keys.create()
    client.use_index_keys(index_keys)
    new, old = dict[str, BlindIndex](), dict[str, BlindIndex]()
    for name, each in plan.columns.items():
        if each.index is not None:
            new[plan.index_columns[name]] = _declare_index(client, each.index, each.field)
        if each.encrypted is not None and each.encrypted.index is not None:
            field = each.encrypted.field or each.field
            declared = _declare_index(client, each.encrypted.index, field)
            old[plan.old_index_columns[name]] = declared
    for index in new.values():
        index.create()
    return new, old


def _declare_index(client: Client, index: BlindIndexColumn, field: str) -> BlindIndex:
    name = index.name or field
    return client.indexes.find(name) or client.indexes.index(
        name,
        rows=index.rows,
        distinct=index.distinct,
        normalise=index.normalise,
        low_entropy=index.low_entropy,
    )
