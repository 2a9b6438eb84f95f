"""Rules of old columns that are lifted when reads are switched: NOT NULL and defaults.

The way back puts them back as they were, with the names of their constraints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from migration.table import inventory
from migration.table.migrated_table import MigratedTable

#: Before PostgreSQL 18, NOT NULL is no constraint, and has no name.
_REQUIRED: Final[LiteralString] = """
    SELECT a.attname, n.conname FROM pg_attribute AS a
    LEFT JOIN pg_constraint AS n
        ON n.contype = 'n' AND n.conrelid = a.attrelid AND n.conkey = ARRAY[a.attnum]
    WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attname = ANY (%s)
        AND a.attnotnull
    ORDER BY a.attnum
"""
#: Each partition has a default of its own.
_DEFAULTS: Final[LiteralString] = """
    WITH root AS (SELECT format('%%I.%%I', %s::text, %s::text)::regclass AS oid)
    SELECT n.nspname, c.relname, a.attname, pg_get_expr(e.adbin, e.adrelid)
    FROM pg_attrdef AS e JOIN pg_class AS c ON c.oid = e.adrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
    WHERE a.attname = ANY (%s) AND a.attgenerated = '' AND (
        c.oid = (SELECT oid FROM root)
        OR c.oid IN (SELECT relid FROM pg_partition_tree((SELECT oid FROM root)))
    )
    ORDER BY 1, 2, a.attnum
"""
_SET_DEFAULT: Final = SQL("ALTER TABLE IF EXISTS ONLY {} ALTER COLUMN {} SET DEFAULT {}")


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """Rules of old columns that are lifted.

    *required* has the constraint of each column that is NOT NULL, if it has one; *defaults* has
    schema, table or partition, column and expression of each.
    """

    required: Mapping[str, str | None] = field(default_factory=dict)
    defaults: Sequence[Sequence[LiteralString]] = ()

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return bool(self.required or self.defaults)

    def __or__(self, other: ColumnRules) -> ColumnRules:
        """Return these, and those of *other* beside them."""
        defaults = {tuple(each[:3]): each for each in (*other.defaults, *self.defaults)}
        return ColumnRules({**other.required, **self.required}, [*defaults.values()])

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON, which are the arguments of this class."""
        return asdict(self)


def read(connection: Connection, table: MigratedTable) -> ColumnRules:
    """Return the rules of the old columns of *table* that are there now."""
    values = table.schema, table.name, list(table.old_columns)
    with inventory.qualified_names(connection):
        return ColumnRules(
            dict(connection.execute(_REQUIRED, values).fetchall()),
            connection.execute(_DEFAULTS, values).fetchall(),
        )


def lift(held: Connection, table: MigratedTable, rules: ColumnRules) -> None:
    """Lift *rules*. The caller's transaction holds the table alone."""
    for name in rules.required:
        held.execute(_alter(table, "ALTER COLUMN {} DROP NOT NULL", name))
    for schema, relation, column, _ in rules.defaults:
        # Not DROP DEFAULT, after which that of a domain would hold.
        held.execute(
            _SET_DEFAULT.format(Identifier(schema, relation), Identifier(column), SQL("NULL"))
        )


def put_back(held: Connection, table: MigratedTable, rules: ColumnRules) -> None:
    """Put *rules* back. The caller's transaction holds the table alone."""
    for column in rules.required:
        held.execute(_alter(table, "ALTER COLUMN {} SET NOT NULL", column))
    for column, name in read(held, table).required.items():
        before = rules.required.get(column)
        if name is not None and before not in (None, name):
            held.execute(_alter(table, "RENAME CONSTRAINT {} TO {}", name, before))
    for schema, relation, column, expression in rules.defaults:
        default = SQL(expression)
        held.execute(_SET_DEFAULT.format(Identifier(schema, relation), Identifier(column), default))


def _alter(table: MigratedTable, change: LiteralString, *names: str) -> Composed:
    parts = SQL(change).format(*map(Identifier, names))
    return SQL("ALTER TABLE {} {}").format(table.identifier, parts)
