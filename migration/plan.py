"""Plans of migrations: the file, checked against the declaration of its service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from migration.table import column_encryption
from migration.table.live_table import LiveTable
from migration.table.migrated_table import (
    DecryptedColumn,
    IndexedColumn,
    MigratedColumn,
    MigratedTable,
)
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.declare.errors import FieldError, join_names, suggest
from vault.declare.schema.migrated_field import OldEncryption
from vault.declare.schema.migration import MigrationPlan
from vault.declare.schema.model import ServiceDeclaration

_PUBLIC: Final = "public"
_DEFAULT_KEY: Final = MigrationPlan.model_fields["key"].default
_DEFAULT_OLD_KEY: Final = OldEncryption.model_fields["key"].default
#: The Transit key that wraps the keys of blind indexes.
INDEX_KEY: Final = "index"
_NEEDED: Final = frozenset({"encrypt", "decrypt"})


def read(path: Path, declared: Declaration | None) -> MigrationPlan:
    """Return the plan in the file *path*."""
    doc = load.read_document(path)
    errors = () if declared is None else _find_errors(doc.data, declared)
    load.check_document(MigrationPlan, doc, chain(errors, _find_unchanged(doc.data)))
    return MigrationPlan.model_validate(doc.data)


def split_table(plan: MigrationPlan) -> tuple[str, str]:
    """Return schema and name of the table of *plan*."""
    schema, _, name = plan.table.rpartition(".")
    return schema or _PUBLIC, name


def to_table(plan: MigrationPlan, live: LiveTable) -> MigratedTable:
    """Return the table of *plan*, with what the database knows of it."""
    schema, name = split_table(plan)
    return MigratedTable(
        schema,
        name,
        live.key,
        tuple(_to_column(plan, each, live) for each in plan.columns),
        _to_indexes(plan.index_columns),
        live.inexact,
        live.times,
        _to_indexes(plan.old_index_columns),
        plan.old_values,
        plan.new_values,
        plan.new_value,
    )


def _to_column(plan: MigrationPlan, name: str, live: LiveTable) -> MigratedColumn:
    declared, new = plan.columns[name], plan.value_columns[name]
    if declared.encrypted is None:
        return MigratedColumn(name, new, plan.context or live.key)
    old, decrypted = declared.encrypted, None
    if plan.is_decrypting:
        decrypted = DecryptedColumn(declared.type_of_column, plan.hash_columns[name])
    return MigratedColumn(
        name,
        new,
        () if plan.is_decrypting else plan.context or live.key,
        live.key if old.context is None else old.context,
        tuple(old.constants.values()),
        has_text=old.text,
        decrypted=decrypted,
    )


def _to_indexes(columns: Mapping[str, str]) -> tuple[IndexedColumn, ...]:
    return tuple(IndexedColumn(column, name) for name, column in columns.items())


def _find_unchanged(data: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield why columns of a valid plan need no migration."""
    try:
        plan = MigrationPlan.model_validate(data)
    except ValidationError:
        return  # which is reported beside this check
    for name in column_encryption.find_unchanged(plan):
        yield FieldError(
            ("columns", name, "encrypted"),
            "is how the plan encrypts, so the table would be rewritten for nothing",
            "another key, field, context, table of data keys or index; a new version of the same"
            " key needs a rewrap, not a migration",
        )


def _find_errors(data: Mapping[str, Any], declared: Declaration) -> Iterator[FieldError]:
    name = data.get("service")
    service = declared.services.get(name) if isinstance(name, str) else None
    if service is None:
        near = suggest(name, declared.services)
        yield FieldError(
            ("service",), f"is the unknown service {name!r}", join_names(declared.services), near
        )
    else:
        yield from _find_service_errors(data, service)


def _find_service_errors(
    data: Mapping[str, Any], service: ServiceDeclaration
) -> Iterator[FieldError]:
    columns = data.get("columns")
    if not _is_decrypting(columns):
        yield from _find_key_errors(data.get("key", _DEFAULT_KEY), "key", service)
    for where, key in _find_needed_keys(columns):
        yield from _find_key_errors(key, where, service)
    if service.database is None:
        what = f"is {service.service}, which declares no database"
        yield FieldError(("service",), what, "a service with a database")


def _is_decrypting(columns: object) -> bool:
    """Return whether no column of a plan gets new tokens, so that it needs no new key."""
    found = list(columns.values()) if isinstance(columns, Mapping) else []
    return bool(found) and all(isinstance(each, Mapping) and "plaintext" in each for each in found)


def _find_needed_keys(columns: object) -> Iterator[tuple[str, object]]:
    """Yield where *columns* need a key, and its name; that of blind indexes once."""
    indexed = None
    for name, column in columns.items() if isinstance(columns, Mapping) else ():
        parts = {f"columns.{name}": column}
        old = column.get("encrypted") if isinstance(column, Mapping) else None
        if isinstance(old, Mapping):
            parts[f"columns.{name}.encrypted"] = old
            yield f"columns.{name}.encrypted.key", old.get("key", _DEFAULT_OLD_KEY)
        for where, part in parts.items():
            if indexed is None and isinstance(part, Mapping) and "index" in part:
                indexed = f"{where}.index"
    if indexed is not None:
        yield indexed, INDEX_KEY


def _find_key_errors(name: object, where: str, service: ServiceDeclaration) -> Iterator[FieldError]:
    """Yield why the service's key *name* cannot be used."""
    key = service.keys.get(name) if isinstance(name, str) else None
    loc = tuple(where.split("."))
    if key is None:
        near = suggest(name, service.keys)
        what = f"needs the key {name!r}, which {service.service} does not declare"
        yield FieldError(loc, what, join_names(service.keys), near)
    elif lacking := _NEEDED - {*key.allow}:
        what = f"needs the key {name!r}, with which {service.service} may not {join_names(lacking)}"
        yield FieldError(loc, what, "a key that allows encrypt and decrypt")
