"""Keys of the service whose table is migrated, used as its application uses them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app_integration.client import Client
from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from migration.rows.row_cipher import RowCipher
from migration.table.migrated_table import MigratedTable
from vault.declare.schema.migration import MigrationPlan

if TYPE_CHECKING:
    from sqlalchemy import Engine

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
    migration that fills its column.

    Args:
        client: A client of the service, of which nothing was encrypted yet.
        engine: An engine on the service's database.
        plan: The checked plan.
        table: Its table.

    Raises:
        KeyUnavailable: If a key cannot be created or stored now.
        AccessDenied: If this identity may not use the service's keys.

    """
    if plan.data_keys is not None:
        data_keys = TableDataKeys(engine, plan.data_keys)
        data_keys.create()
        client.use_data_keys(data_keys)
    cipher = client.cipher(plan.key)
    context = {
        each.plaintext: [plan.attributes.get(name, name) for name in each.context]
        for each in table.columns
    }
    fields = {
        name: cipher.field(each.field, context[name], TYPES[each.type])
        for name, each in plan.columns.items()
    }
    return RowCipher(table, fields, _open_indexes(client, engine, plan))


def _open_indexes(client: Client, engine: Engine, plan: MigrationPlan) -> dict[str, BlindIndex]:
    """Return the blind index of each index column."""
    if not plan.index_columns:
        return {}
    index_keys = TableIndexKeys(engine, plan.index_keys)
    index_keys.create()
    client.use_index_keys(index_keys)
    indexes = {
        plan.index_columns[name]: client.indexes.index(
            each.index.name or each.field,
            rows=each.index.rows,
            distinct=each.index.distinct,
            normalise=each.index.normalise,
            low_entropy=each.index.low_entropy,
        )
        for name, each in plan.columns.items()
        if each.index is not None
    }
    for index in indexes.values():
        index.create()
    return indexes
