# ruff: noqa: SLF001 (``_meta`` is public by Django's documentation)
"""Primary keys that PostgreSQL generates, reserved before model objects are inserted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import connections, models

from app_integration.integrations.django.written_fields import encrypted_fields
from app_integration.integrations.key_sequence import RESERVE, check_reserved, override_identity

_RESERVE: Final = RESERVE.format(table="%(table)s", column="%(column)s", count="%(count)s")


@contextmanager
def reserved_keys(
    model: Any, rows: Sequence[Any], using: str, *, is_kept: bool = True
) -> Iterator[None]:
    """Let the block insert *rows*, with keys for those without one, if the database makes them.

    After an error, or if not *is_kept*, these rows are as before it, and can be saved again.
    """
    key, encrypted = model._meta.pk, encrypted_fields(model)
    if not encrypted or not isinstance(key, models.AutoField):
        yield
        return
    new = [row for row in rows if getattr(row, key.attname) is None]
    names = [key.attname, *(each.attname for each in encrypted)]
    before = [{name: row.__dict__.get(name) for name in names} for row in new]
    keys = _reserve(key, using, len(new)) if new else []
    for row, value in zip(new, keys, strict=True):
        setattr(row, key.attname, value)
    is_done = False
    try:
        with connections[using].execute_wrapper(_allow_keys(model, using)):
            yield
        is_done = is_kept
    finally:
        if not is_done:
            for row, values in zip(new, before, strict=True):
                row.__dict__.update(values)
                row._state.adding = True


def _reserve(key: Any, using: str, count: int) -> list[Any]:
    connection, keys = connections[using], []
    if connection.vendor == "postgresql":
        table = connection.ops.quote_name(key.model._meta.db_table)
        values = {"table": table, "column": key.column, "count": count}
        with connection.cursor() as cursor:
            cursor.execute(_RESERVE, values)
            keys = [value for (value,) in cursor.fetchall()]
    return check_reserved(keys, key)


def _allow_keys(model: Any, using: str) -> Any:
    """Return a wrapper of statements that lets inserts into the table name the key.

    A key that is GENERATED ALWAYS takes no value otherwise.
    """
    connection = connections[using]
    start = f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} "

    def execute_with_keys(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if connection.vendor == "postgresql" and str(sql).startswith(start):
            sql = override_identity(sql)
        return execute(sql, params, many, context)

    return execute_with_keys
