"""Django as the contract of encrypted attributes uses it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine

from app_integration.encryption.blind_index.index import BlindIndex
from tests.support.databases import django_project
from tests.support.orms.orm import ROWS, Compound, Encrypted, Key, Plain, Table

django_project.set_up()

from django.db import (  # noqa: E402 (Django must be set up first)
    DatabaseError,
    IntegrityError,
    connection,
    models,
    transaction,
)

from app_integration.integrations import django as encrypted  # noqa: E402 (as above)
from app_integration.integrations.django.loaded_rows import LoadedRows  # noqa: E402 (as above)

_FIELDS: dict[type, Any] = {
    str: models.TextField,
    int: models.IntegerField,
    date: models.DateField,
    UUID: models.UUIDField,
}


class DjangoOrm:
    loaded_rows = LoadedRows
    database_error: type[Exception] = DatabaseError
    integrity_error: type[Exception] = IntegrityError

    @classmethod
    @contextmanager
    def connected(cls, engine: Engine) -> Iterator[DjangoOrm]:
        if engine.dialect.name == "sqlite":
            yield cls()
            return
        with closing(engine.raw_connection()) as raw:
            info: Any = raw.driver_connection
            with django_project.connected(info.info):
                yield cls()

    def owner(self, table: Table) -> Any:
        return build(table)

    @contextmanager
    def tables(self, *tables: Table) -> Iterator[None]:
        owners = [build(table) for table in tables]
        with django_project.tables(*owners):
            encrypted.create_index_keys(*owners)
            yield

    def add(self, *rows: Any) -> None:
        for row in rows:
            row.save()

    def add_all(self, rows: list[Any]) -> None:
        with transaction.atomic():
            type(rows[0]).objects.bulk_create(rows)

    def save(self, *rows: Any) -> None:
        with transaction.atomic():
            for row in rows:
                row.save()

    def save_only(self, row: Any, name: str) -> None:
        row.save(update_fields=[name])

    def delete(self, *rows: Any) -> None:
        for row in rows:
            row.delete()

    def all(self, table: Table, order: str = "id") -> list[Any]:
        return list(build(table).objects.order_by(order))

    def get(self, table: Table, key: UUID | int) -> Any:
        return build(table).objects.get(pk=key)

    def stream(self, table: Table, order: str, size: int) -> Iterator[Any]:
        yield from build(table).objects.order_by(order).iterator(chunk_size=size)

    def where(self, table: Table, name: str, value: Any) -> list[Any]:
        condition = {f"{name}__in" if isinstance(value, list) else name: value}
        return list(build(table).objects.filter(**condition))

    def find(self, table: Table, name: str, value: Any) -> list[Any]:
        return encrypted.find(build(table).objects, _searched(table, name), value)

    def exactly(self, table: Table, name: str, value: Any) -> list[Any]:
        rows = build(table).objects.all()
        return list(encrypted.exactly(rows, _searched(table, name), value))

    def index(self, table: Table, name: str) -> BlindIndex:
        found: BlindIndex = build(table)._meta.get_field(f"{name}_index").blind_index
        return found

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    @contextmanager
    def reservations(self) -> Iterator[list[str]]:
        found: list[str] = []

        def record(execute: Any, sql: str, *others: Any) -> Any:
            if "nextval" in sql:
                found.append(sql)
            return execute(sql, *others)

        with connection.execute_wrapper(record):
            yield found

    def write_token(self, table: Table, name: str, token: Any) -> None:
        with transaction.atomic():
            build(table).objects.update(**{name: token})

    def write_plaintext(self, table: Table, name: str, value: Any) -> None:
        self.write_token(table, f"{name}_plain", value)

    def change_elsewhere(self, table: Table, key: UUID | int, **values: Any) -> None:
        row = self.get(table, key)
        for name, value in values.items():
            setattr(row, name, value)
        row.save()

    def refresh(self, row: Any) -> None:
        row.refresh_from_db()

    def token(self, row: Any, name: str) -> Any:
        return getattr(row.__dict__[name], "token", None)

    def is_decrypted(self, row: Any, name: str) -> bool:
        return getattr(row.__dict__.get(name), "known", None) is not None


@functools.cache
def build(table: Table) -> Any:
    meta = type(
        "Meta", (), {"app_label": f"orm_{table.class_name.lower()}", "db_table": table.name}
    )
    space: dict[str, Any] = {"__module__": __name__, "Meta": meta, "id": _key(table)}
    compounds = {
        name: each for name, each in table.attributes.items() if isinstance(each, Compound)
    }
    searched = {each.of[-1]: f"{name}_index" for name, each in compounds.items()}
    for name, each in table.attributes.items():
        match each:
            case Plain():
                space[name] = _FIELDS[each.kind](
                    default=each.default, null=each.default is None, unique=each.unique
                )
            case Compound():
                space[f"{name}_index"] = encrypted.BlindIndexField(
                    each.field, of=list(each.of), rows=ROWS, normalise=list(each.normalise)
                )
            case Encrypted():
                space |= _encrypted(name, each, searched.get(name))
    return type(table.class_name, (encrypted.EncryptedModel,), space)


def _encrypted(name: str, each: Encrypted, index: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    options: dict[str, Any] = {"null": each.null, "db_column": each.column, **each.options}
    if each.phase is not None:
        found[f"{name}_plain"] = _FIELDS[each.kind](db_column=each.plaintext, null=True)
        options |= {"plaintext": f"{name}_plain", "phase": each.phase}
    if each.normalise is not None:
        index = f"{name}_index"
        found[index] = encrypted.BlindIndexField(
            each.field, of=[name], rows=each.rows, normalise=each.normalise
        )
    found[name] = encrypted.EncryptedField(each.field, each.kind, index=index, **options)
    return found


def _searched(table: Table, name: str) -> str:
    """Return the field by which Django searches an attribute or a compound index."""
    declared = table.attributes[name]
    return declared.of[-1] if isinstance(declared, Compound) else name


def _key(table: Table) -> Any:
    options = {"primary_key": True, "db_column": table.key_column}
    if table.key is Key.DRAWN:
        return models.UUIDField(default=uuid4, **options)
    kind = models.IntegerField if table.key is Key.GIVEN else models.BigAutoField
    return kind(**options)
