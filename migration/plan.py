"""Plans of migrations: the file, checked against the declaration of its service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from migration.live_table import LiveTable
from migration.migrated_table import IndexedColumns, MigratedColumn, MigratedTable
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.declare.errors import FieldError, join_names, suggest
from vault.declare.schema.migration import MigrationPlan
from vault.declare.schema.model import ServiceDeclaration

_PUBLIC = "public"


def read(path: Path, declared: Declaration) -> MigrationPlan:
    """Return the plan in the file *path*.

    Args:
        path: The file.
        declared: The declaration, in which its service and key are.

    Raises:
        DeclarationError: If it is invalid. It lists every error with file and line.

    """
    doc = load.read_document(path)
    load.check_document(MigrationPlan, doc, _find_errors(doc.data, declared))
    return MigrationPlan.model_validate(doc.data)


def split_table(plan: MigrationPlan) -> tuple[str, str]:
    """Return schema and name of the table of *plan*."""
    schema, _, name = plan.table.rpartition(".")
    return schema or _PUBLIC, name


def to_table(plan: MigrationPlan, live: LiveTable) -> MigratedTable:
    """Return the table of *plan*, with what the database knows of it.

    Args:
        plan: A checked plan.
        live: Its table, which has a primary key.

    """
    schema, name = split_table(plan)
    context, tokens = plan.context or live.key, plan.token_columns
    return MigratedTable(
        schema,
        name,
        live.key,
        tuple(MigratedColumn(each, tokens[each], context) for each in plan.columns),
        tuple(IndexedColumns(column, (each,)) for each, column in plan.index_columns.items()),
        live.inexact,
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
    name = data.get("key", MigrationPlan.model_fields["key"].default)
    key = service.keys.get(name) if isinstance(name, str) else None
    if key is None:
        near = suggest(name, service.keys)
        yield FieldError(("key",), f"is the unknown key {name!r}", join_names(service.keys), near)
    elif lacking := {"encrypt", "decrypt"} - {*key.allow}:
        what = f"is {name!r}, with which {service.service} may not {join_names(lacking)}"
        yield FieldError(("key",), what, "a key that allows encrypt and decrypt")
    if service.database is None:
        what = f"is {service.service}, which declares no database"
        yield FieldError(("service",), what, "a service with a database")
