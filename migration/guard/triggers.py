"""Statements that create, change and drop the guard's functions and triggers.

The trigger before an update reports a bypassing write and voids its stale tokens in one call, as
each call costs as much as half the update. What a later trigger of the application changes is found
after the update. A trigger *before* an insert would see rows that ``ON CONFLICT`` never inserts.
The functions run with the rights of their owner, because writers may not touch the queue;
``session_user`` is still the writer.

Where tokens are decrypted, a trigger for each plaintext column stores the hash of the row's token
with it. It fires for updates that name the column, also with an equal value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, TypeAlias

from psycopg.sql import SQL, Composed, Identifier, Literal

from migration.error_text import REFUSED
from migration.guard import conditions
from migration.table.key_text import key_texts
from migration.table.migrated_table import MigratedColumn, MigratedTable
from migration.table.predicates import hash_token, is_incomplete

#: Schema of everything that a migration keeps in the database.
SCHEMA: Final = "strongroom_migration"
# Triggers run in the order of their names, so that the first sees what other triggers changed.
BEFORE_UPDATE: Final = "zzz_strongroom_before_update"
AFTER_UPDATE: Final = "zzz_strongroom_after_update"
AFTER_INSERT: Final = "zzz_strongroom_after_insert"
_TRIGGERS: Final = (BEFORE_UPDATE, AFTER_UPDATE, AFTER_INSERT)
#: Begins the names of the triggers that store hashes, which come before those that compare them.
ADD_HASH: Final = "zzz_strongroom_add_hash"

_Statement: TypeAlias = Callable[[MigratedTable, MigratedColumn], Composed]


class Mode(Enum):
    """What the guard does with a write that brought no token."""

    QUEUE = "queue"
    REFUSE = "refuse"


def install(table: MigratedTable, migration: str) -> Iterator[Composed]:
    """Yield the statements that install the guard; run them in one transaction.

    The transaction must also add the columns of tokens: a token that is written before the guard is
    there may become stale, and nothing would find it.
    """
    yield from functions(table, migration, Mode.QUEUE)
    bypassing, late = conditions.bypassing_update(table), conditions.any_stale(table)
    inserted = is_incomplete(table, "NEW")
    before, after_update, after_insert = function_names(migration)
    yield _trigger(table, BEFORE_UPDATE, "BEFORE UPDATE", bypassing, before)
    yield _trigger(table, AFTER_UPDATE, "AFTER UPDATE", late, after_update)
    yield _trigger(table, AFTER_INSERT, "AFTER INSERT", inserted, after_insert)
    yield from _hash_triggers(table, migration)
    for name in trigger_names(table):
        # Plain triggers do not fire for a replica's writes.
        yield SQL("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}").format(
            table.identifier, Identifier(name)
        )


def functions(table: MigratedTable, migration: str, mode: Mode) -> Iterator[Composed]:
    """Yield the statements that create the functions, or replace those of another mode.

    Replacing them takes no lock on the table.
    """
    report = _refuse(table, migration) if mode is Mode.REFUSE else _queue(table, migration)
    before, after_update, after_insert = function_names(migration)
    yield _function(before, SQL("{} {} RETURN NEW;").format(_each(table, _void), report))
    late = SQL("{} {} RETURN NULL;").format(_each(table, _void_late), report)
    yield _function(after_update, late)
    yield _function(after_insert, SQL("{} RETURN NULL;").format(report))
    for name in function_names(migration):
        yield _revoke(name)


def trigger_names(table: MigratedTable) -> tuple[str, ...]:
    """Return the names of the guard's triggers."""
    return (*_TRIGGERS, *(f"{ADD_HASH}_{at}" for at in range(len(table.hashes))))


def hash_function_names(table: MigratedTable, migration: str) -> tuple[str, ...]:
    """Return the names of the functions that store hashes, in the order of the columns."""
    return tuple(f"{migration}_add_hash_{at}" for at in range(len(table.hashes)))


def function_names(migration: str) -> tuple[str, str, str]:
    """Return the names of the functions before an update, after an update, and after an insert."""
    return f"{migration}_before_update", f"{migration}_after_update", f"{migration}_after_insert"


def drop(table: MigratedTable, migration: str) -> Iterator[Composed]:
    """Yield the statements that remove the guard, as far as it exists."""
    for name in trigger_names(table):
        yield SQL("DROP TRIGGER IF EXISTS {} ON {}").format(Identifier(name), table.identifier)
    for name in (*function_names(migration), *hash_function_names(table, migration)):
        yield SQL("DROP FUNCTION IF EXISTS {}()").format(Identifier(SCHEMA, name))


def _hash_triggers(table: MigratedTable, migration: str) -> Iterator[Composed]:
    """Yield the statements that create the triggers which store hashes, and their functions."""
    decrypted = [each for each in table.columns if each.decrypted is not None]
    triggers = trigger_names(table)[len(_TRIGGERS) :]
    functions = hash_function_names(table, migration)
    for column, name, function in zip(decrypted, triggers, functions, strict=True):
        yield _function(function, _store_hash(column))
        yield _revoke(function)
        # A column list, because a writer vouches for a plaintext by naming it.
        yield SQL(
            "CREATE TRIGGER {} BEFORE INSERT OR UPDATE OF {} ON {} FOR EACH ROW"
            " EXECUTE FUNCTION {}()"
        ).format(
            Identifier(name), Identifier(column.new), table.identifier, Identifier(SCHEMA, function)
        )


def _store_hash(column: MigratedColumn) -> Composed:
    if column.decrypted is None:
        raise ValueError(f"{column.old}: its new column has tokens; it has no hash")
    # A row that moves to another partition is inserted there with the hash that it has.
    return SQL(
        "IF TG_OP = 'UPDATE' OR NEW.{0} IS NULL THEN NEW.{0} := CASE WHEN NEW.{1} IS NOT NULL"
        " THEN {2} END; END IF; RETURN NEW;"
    ).format(*map(Identifier, (column.decrypted.token_hash, column.new)), hash_token("NEW", column))


def _revoke(function: str) -> Composed:
    # Else who may create a trigger on a table of its own could void the tokens of this one.
    return SQL("REVOKE ALL ON FUNCTION {}() FROM PUBLIC").format(Identifier(SCHEMA, function))


def _trigger(
    table: MigratedTable, name: str, event: str, condition: Composed, function: str
) -> Composed:
    # No column list: UPDATE OF misses what another trigger changes.
    return SQL("CREATE TRIGGER {} {} ON {} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION {}()").format(
        Identifier(name), SQL(event), table.identifier, condition, Identifier(SCHEMA, function)
    )


def _function(name: str, body: Composed) -> Composed:
    return SQL(
        "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = pg_catalog, pg_temp AS {}"
    ).format(Identifier(SCHEMA, name), Literal(SQL("BEGIN {} END").format(body).as_string()))


def _void(table: MigratedTable, column: MigratedColumn) -> Composed:
    voided = SQL(" ").join(
        SQL("NEW.{} := NULL;").format(Identifier(each)) for each in _written(table, column)
    )
    return SQL("IF {} THEN {} END IF;").format(conditions.stale(table, column), voided)


def _void_late(table: MigratedTable, column: MigratedColumn) -> Composed:
    voided = SQL(", ").join(
        SQL("{} = NULL").format(Identifier(each)) for each in _written(table, column)
    )
    key = SQL(" AND ").join(SQL("{0} = NEW.{0}").format(Identifier(each)) for each in table.key)
    return SQL("IF {} THEN UPDATE {} SET {} WHERE {}; END IF;").format(
        conditions.stale(table, column), table.identifier, voided, key
    )


def _queue(table: MigratedTable, migration: str) -> Composed:
    # A variable, because plpgsql keeps its expression, and prepares an INSERT's at each call.
    return SQL(
        "DECLARE report text[] :="
        " ARRAY[{}, TG_OP, session_user, current_setting('application_name'), {}];"
        " BEGIN INSERT INTO {} (report) VALUES (report); END;"
    ).format(
        Literal(migration),
        SQL(", ").join(key_texts(table, "NEW")),
        Identifier(SCHEMA, "bypasses"),
    )


def _refuse(table: MigratedTable, migration: str) -> Composed:
    columns = ", ".join(each.old for each in table.columns)
    message = (
        f"migration {migration}: a write to {table.schema}.{table.name} changed one of {columns}"
        f" and brought no {table.new_value}; its user is "
    )
    hint = f"Write through the version of the application that brings {table.new_values}."
    return SQL(
        "RAISE EXCEPTION USING ERRCODE = {}, MESSAGE = {} || session_user, HINT = {};"
    ).format(Literal(REFUSED), Literal(message), Literal(hint))


def _each(table: MigratedTable, statement: _Statement) -> Composed:
    return SQL(" ").join(statement(table, column) for column in table.columns)


def _written(table: MigratedTable, column: MigratedColumn) -> Iterator[str]:
    yield column.new
    if column.decrypted is not None:
        yield column.decrypted.token_hash
    yield from (index.column for index in table.indexes if index.of == column.old)
