"""Comparison of a plan with the live table, before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from migration.table import column_encryption
from migration.table.live_table import TIMES, LiveColumn, LiveTable
from vault.declare.errors import join_names, suggest
from vault.declare.schema.migrated_field import MAX_NAME, MigratedField, OldEncryption
from vault.declare.schema.migration import MigrationPlan

#: Types of columns that have tokens as text.
_TEXTS: Final = ("text", "character varying", "citext")
#: Types of plaintext columns whose values are kept as they are by the type of the field. A field of
#: ``str`` also has those of each enumeration.
TYPES: Final = {
    "str": (*_TEXTS, "bpchar", "inet", "cidr"),
    "bytes": ("bytea",),
    "int": ("smallint", "integer", "bigint"),
    "bool": ("boolean",),
    "Decimal": ("numeric",),
    "date": ("date",),
    "datetime": ("timestamp with time zone", "timestamp without time zone"),
    "UUID": ("uuid",),
    "dict": ("json", "jsonb"),
    "list": (
        *("json", "jsonb", "text[]", "character varying[]"),
        *("smallint[]", "integer[]", "bigint[]", "boolean[]"),
    ),
}
#: Why values of other types are not kept as they are.
_FLOAT: Final = "no token has a floating-point number; change the column to numeric first"
_REASONS: Final = {
    "double precision": _FLOAT,
    "real": _FLOAT,
    "interval": (
        "no token has an interval, whose months have no length; change the column to a number of"
        " seconds, or to text, first"
    ),
}
_ARRAY_REASON: Final = "no token has an array of that type; change the column to jsonb first"
#: Short names of types.
_ALIASES: Final = {
    "varchar": "character varying",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
}
#: Types of a key, whose text names the same row in every session, and of what tokens are bound to.
_KEY_TYPES: Final = frozenset(
    {
        *("smallint", "integer", "bigint", "numeric", "boolean", "uuid"),
        *("text", "character varying", "citext", *TIMES),
    }
)
#: Those of them whose values no token can be bound to.
_UNBOUND_TYPES: Final = frozenset({"numeric", *TIMES})
#: Type of the columns of tokens and index values.
_BYTES: Final = "bytea"
_TABLES: Final = ("r", "p")  # in pg_class.relkind: tables, and partitioned ones


def find_problems(plan: MigrationPlan, live: LiveTable) -> Iterator[str]:
    """Yield each reason for which *plan* cannot begin on *live*, with what to do."""
    yield from _find_table_problems(plan, live)
    context = plan.context or live.key
    if missing := [name for name in live.key if name not in context]:
        yield (
            f"context has not the key's column {join_names(missing)}; add it, because a token must"
            " not be valid in another row"
        )
    yield from _find_source_problems(plan, live)
    yield from _find_bound_problems(plan, live)
    for name in column_encryption.find_unchanged(plan, live.key):
        yield (
            f"the column {name} is encrypted as the plan encrypts, so the table would be rewritten"
            " for nothing; leave it out of the columns"
        )
    for name in plan.new_columns:
        if name in live.columns:
            yield f"the table has a column {name} already; name another one in the plan"
        if len(name.encode()) > MAX_NAME:
            yield f"the name {name} has more than {MAX_NAME} bytes; name a shorter one in the plan"
    for name in dict.fromkeys(
        (plan.table, *_list_contexts(plan, live), *plan.old_columns, *plan.new_columns)
    ):
        if "%" in name:
            # The driver takes it for a parameter.
            yield f"the name {name} has a %, which this command cannot write; rename it first"


def find_changes(plan: MigrationPlan, live: LiveTable) -> Iterator[str]:
    """Yield what was changed of the columns of *live*, on which *plan* has begun."""
    yield from _find_source_problems(plan, live)
    for name in (*plan.index_columns.values(), *plan.hash_columns.values()):
        yield from _find_bytes_problems(name, live)
    for column, name in plan.value_columns.items():
        if plan.is_decrypting:
            yield from _find_plaintext_problems(name, plan.columns[column], live)
        else:
            yield from _find_bytes_problems(name, live)


def _find_source_problems(plan: MigrationPlan, live: LiveTable) -> Iterator[str]:
    """Yield why values of the table cannot be read as *plan* says."""
    for name in _list_contexts(plan, live):
        yield from _find_context_problems(name, plan, live)
    for name in plan.columns:
        yield from _find_column_problems(name, plan, live)
    for name in plan.old_index_columns.values():
        yield from _find_bytes_problems(name, live)


def _list_contexts(plan: MigrationPlan, live: LiveTable) -> list[str]:
    """Return the columns to which new and old tokens are bound, each once."""
    old = (each.encrypted.context or () for each in plan.columns.values() if each.encrypted)
    return list(dict.fromkeys(chain(plan.context or live.key, *old)))


def _find_bound_problems(plan: MigrationPlan, live: LiveTable) -> Iterator[str]:
    """Yield the columns to which tokens are bound, and of whose types no context can be."""
    expected = join_names(sorted(_KEY_TYPES - _UNBOUND_TYPES))
    for name in dict.fromkeys(_bound_columns(plan, live)):
        column = live.columns.get(name)
        if column is not None and column.base_type in _UNBOUND_TYPES:
            yield (
                f"{name} is {column.type}, to which no token can be bound (expected {expected});"
                " name another context, or give the table such a key"
            )


def _bound_columns(plan: MigrationPlan, live: LiveTable) -> Iterator[str]:
    """Yield the columns to which tokens are bound: new ones, unless it decrypts, and old ones."""
    if not plan.is_decrypting:
        yield from plan.context or live.key
    for column in plan.columns.values():
        if column.encrypted is not None:
            context = column.encrypted.context
            yield from live.key if context is None else context


def _find_table_problems(plan: MigrationPlan, live: LiveTable) -> Iterator[str]:
    if live.kind not in _TABLES:
        yield f"{plan.table} is not a table; name the table behind it"
    if not live.is_logged:
        yield f"{plan.table} is unlogged or temporary, so a crash would empty it"
    if live.is_inherited:
        yield (
            f"{plan.table} is a partition or part of an inheritance tree; name the partitioned"
            " table"
        )
    if live.forces_row_security:
        yield f"{plan.table} forces row security, which hides rows from the migration; lift it"
    if not live.is_owned:
        yield f"this user is not an owner of {plan.table}; use a role that is"
    if not live.key:
        yield f"{plan.table} has no primary key, to which tokens could be bound; add one"
    for column in (live.columns[name] for name in live.key):
        if column.base_type not in _KEY_TYPES:
            yield f"the key {column.name} is {column.type} (expected {join_names(_KEY_TYPES)})"


def _find_context_problems(name: str, plan: MigrationPlan, live: LiveTable) -> Iterator[str]:
    column = live.columns.get(name)
    if column is None:
        yield _unknown(name, "context", live)
    elif not column.is_required:
        yield f"the context {name} may be NULL, and NULL cannot be bound; make it NOT NULL"
    if column is not None and name not in live.key and column.base_type not in _KEY_TYPES:
        yield f"the context {name} is {column.type} (expected {join_names(_KEY_TYPES)})"
    if name in plan.columns:
        yield f"{name} is bound to its own token; leave it out of the context or of the columns"


def _find_column_problems(name: str, plan: MigrationPlan, live: LiveTable) -> Iterator[str]:
    column, declared = live.columns.get(name), plan.columns[name]
    if column is None:
        yield _unknown(name, "columns", live)
        return
    if declared.encrypted is not None:
        yield from _find_token_problems(column, declared.encrypted)
        yield from _find_type_problems(name, declared)
    else:
        yield from _find_value_problems(column, declared.type)
    if column.is_generated:
        yield f"the column {name} is generated from others; migrate those"
    if name in live.key:
        yield (
            f"the column {name} is part of the primary key, which tokens are bound to and which may"
            " not be NULL; give the table another primary key, such as a column that is uuid or"
            " GENERATED ALWAYS AS IDENTITY, let foreign keys refer to that, and repeat the command"
        )


def _find_value_problems(column: LiveColumn, kind: str) -> Iterator[str]:
    """Yield why the plaintexts of *column* are not kept as they are by a field of type *kind*."""
    base, wanted = column.base_type, TYPES[kind]
    if base not in wanted and not (column.is_enum and kind == "str"):
        another = f"(expected {join_names(wanted)}, or another type of the field)"
        reason = _find_reason(column) or f"its field is {kind} {another}"
        yield f"the column {column.name} is {column.type}, but {reason}"
    if column.forbids_null:
        yield (
            f"the column {column.name} is {column.type}, a domain that forbids NULL, so that its"
            f" plaintext could not be removed; change the column to {base} first"
        )


def _find_reason(column: LiveColumn) -> str | None:
    """Return why no type of a field keeps values of *column*; None if one may."""
    if any(column.base_type in each for each in TYPES.values()):
        return None
    return _REASONS.get(column.base_type) or (_ARRAY_REASON if column.is_array else None)


def _find_token_problems(column: LiveColumn, old: OldEncryption) -> Iterator[str]:
    """Yield why *column* has no old tokens."""
    if old.text and column.base_type not in _TEXTS:
        yield (
            f"the column {column.name} is {column.type}, and has tokens as text (expected"
            f" {join_names(_TEXTS)}, or a plan without text)"
        )
    elif not old.text and column.type != _BYTES:
        yield (
            f"the column {column.name} is {column.type}, and has no text: true in the plan"
            f" (expected {_BYTES}, or text: true for tokens as text)"
        )


def _find_type_problems(name: str, declared: MigratedField) -> Iterator[str]:
    """Yield why the plaintext column that takes the place of *name* cannot have its values."""
    wanted = TYPES[declared.type]
    base = declared.type_of_column.partition("(")[0].strip()
    if declared.plaintext is not None and _ALIASES.get(base, base) not in wanted:
        yield (
            f"the column {declared.plaintext} would be {base}, but the field of {name} is"
            f" {declared.type} (expected {join_names(wanted)})"
        )


def _find_plaintext_problems(name: str, declared: MigratedField, live: LiveTable) -> Iterator[str]:
    """Yield why the column *name*, which was added, cannot have plaintext any more."""
    column, wanted = live.columns.get(name), TYPES[declared.type]
    if column is None:
        yield _unknown(name, "columns", live)
    elif column.base_type not in wanted:
        yield f"the column {name} is {column.type} (expected {join_names(wanted)})"


def _find_bytes_problems(name: str, live: LiveTable) -> Iterator[str]:
    """Yield why the column *name* has no index values, or new tokens."""
    column = live.columns.get(name)
    if column is None:
        yield _unknown(name, "columns", live)
    elif column.type != _BYTES:
        yield f"the column {name} is {column.type} (expected {_BYTES})"


def _unknown(name: str, where: str, live: LiveTable) -> str:
    near = suggest(name, live.columns)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{where}: the table has no column {name!r} (expected {join_names(live.columns)}{hint})"
