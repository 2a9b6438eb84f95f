"""Rules for what depends on old columns: carried over, lifted and put back, or refused.

What is refused holds a copy of the values that no pass reaches, or carries a value's removal over
to rows, tables or servers that the way back does not restore.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, LiteralString

from psycopg import Connection, DatabaseError, OperationalError
from psycopg.sql import SQL, Composed, Identifier

from migration.table.inventory import Dependent, Kind
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable


class Treatment(StrEnum):
    """What a migration does with something that depends on an old column.

    ``LIFTED`` ends at the switch, and the way back puts it back; ``REFUSED`` keeps a migration from
    beginning, and its passes from running.
    """

    KEPT = "kept"
    LIFTED = "lifted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rule:
    """Rule of a kind."""

    treatment: Treatment
    note: str = ""


_KEPT, _LIFTED, _REFUSED = Treatment.KEPT, Treatment.LIFTED, Treatment.REFUSED
_KEEPS: Final = "it keeps the column from being dropped: change it before"
_DROP: Final = "drop it first, and add it again after a way back"
#: The rule of each kind.
RULES: Final[Mapping[Kind, Rule]] = MappingProxyType(
    {
        Kind.CHECK: Rule(_KEPT, "it sees NULL once the column is no longer written"),
        Kind.COLUMN: Rule(_KEPT),
        Kind.COLUMN_PRIVILEGE: Rule(_KEPT, "grant the same on the new columns"),
        Kind.DEFAULT: Rule(
            _LIFTED,
            "until the switch, the guard refuses inserts that leave the column out: name it there",
        ),
        Kind.FUNCTION: Rule(_KEPT, _KEEPS),
        Kind.GENERATED: Rule(
            _REFUSED, "it is computed from the column, and would be from NULL; drop it first"
        ),
        Kind.IDENTITY: Rule(_REFUSED, "the database makes its values; migrate another column"),
        Kind.INDEX: Rule(_KEPT, "it goes with the column"),
        Kind.MATERIALIZED_VIEW: Rule(
            _REFUSED, "it keeps a copy of the values; drop it, or define it without the column"
        ),
        Kind.NOT_NULL: Rule(_LIFTED),
        Kind.NOT_NULL_OF_PARTITION: Rule(
            _REFUSED, "its table has no such rule, so that it would stay; drop it first"
        ),
        Kind.OTHER: Rule(_REFUSED, "no rule is known for it; drop it first"),
        Kind.POLICY: Rule(
            _REFUSED, "it shows or hides rows by the column; change it to another one first"
        ),
        Kind.PUBLICATION: Rule(
            _KEPT,
            "subscribers get the new columns and NULL in the old ones: add the columns there first",
        ),
        Kind.PUBLICATION_OF_COLUMN: Rule(
            _REFUSED,
            "its filter or list names the column, so that subscribers lose rows or values; publish"
            " the table without them first",
        ),
        Kind.PUBLICATION_WITHOUT_UPDATES: Rule(
            _REFUSED, "subscribers would keep the values; let it publish updates first"
        ),
        Kind.REFERENCE: Rule(
            _REFUSED, f"the table that it refers to has the values too, and changes them; {_DROP}"
        ),
        Kind.REFERRER: Rule(
            _REFUSED, f"it refuses the removal of a value, or carries it over to its rows; {_DROP}"
        ),
        Kind.REPLICA_IDENTITY: Rule(
            _REFUSED, "it identifies rows by the column; set another replica identity first"
        ),
        Kind.ROW_TYPE: Rule(_REFUSED, "it has copies of whole rows; drop it first"),
        Kind.RULE: Rule(
            _REFUSED, "it adds to or replaces the statements of the passes; drop it first"
        ),
        Kind.RULE_ELSEWHERE: Rule(_KEPT, _KEEPS),
        Kind.SEQUENCE: Rule(_KEPT, "it goes with the column"),
        Kind.STATISTICS: Rule(
            _KEPT,
            "it is computed again without values once they are removed, and goes with the column",
        ),
        Kind.SUBSCRIPTION: Rule(
            _REFUSED,
            "its publisher writes values without tokens; migrate the table there, or end it first",
        ),
        Kind.TABLE: Rule(_KEPT),
        Kind.TRIGGER: Rule(_KEPT),
        Kind.TRIGGER_OF_COLUMN: Rule(_KEPT, _KEEPS),
        Kind.UNIQUE: Rule(
            _KEPT,
            "it ends when the column is no longer written, because different values share a value"
            " of a blind index",
        ),
        Kind.VIEW: Rule(
            _KEPT,
            "it shows NULL from --null on, and keeps the column from being dropped: change"
            " it before",
        ),
    }
)
#: By the triggers of a foreign key, because those are found by their table.
_REFERRERS: Final[LiteralString] = """
    SELECT DISTINCT pg_describe_object('pg_constraint'::regclass, f.oid, 0)
    FROM pg_trigger AS t
    JOIN pg_constraint AS f
        ON f.oid = t.tgconstraint AND f.contype = 'f' AND f.confrelid = t.tgrelid
    JOIN pg_attribute AS a ON a.attrelid = t.tgrelid AND a.attnum = ANY (f.confkey)
    WHERE a.attname = ANY (%s) AND t.tgrelid IN (
        SELECT format('%%I.%%I', %s::text, %s::text)::regclass
        UNION SELECT relid FROM pg_partition_tree(format('%%I.%%I', %s::text, %s::text)::regclass)
    )
"""
#: What is a property of a column, and no object beside it.
_OF_THE_COLUMN: Final = frozenset({Kind.COLUMN_PRIVILEGE, Kind.DEFAULT, Kind.NOT_NULL})
_CLASH: Final = "it does not accept NULL in the column; change it to one that does first"
_RAISES: Final = (
    "it ends with {} (SQLSTATE {}) if the column is NULL; change it to one that accepts NULL first"
)


def find_refused(found: Iterable[Dependent], clashing: Mapping[str, str]) -> Iterator[str]:
    """Yield why a migration does not begin, or go on, for each that is refused."""
    for each in found:
        rule = RULES[each.kind]
        if each.name in clashing:
            yield f"{each.described}: {clashing[each.name]}"
        elif rule.treatment is Treatment.REFUSED:
            yield f"{each.described}: {rule.note}"


def find_lost(found: Iterable[Dependent]) -> list[str]:
    """Return what goes with the old columns, or keeps them from being dropped."""
    return [each.name for each in found if each.columns and each.kind not in _OF_THE_COLUMN]


def find_referrers(connection: Connection, table: MigratedTable) -> list[str]:
    """Return the foreign keys that refer to old columns of *table*, fast enough for each batch."""
    named = table.schema, table.name
    values = (list(table.old_columns), *named, *named)
    return [name for (name,) in connection.execute(_REFERRERS, values)]


def find_clashing(
    connection: Connection, name: Identifier, live: LiveTable, found: Sequence[Dependent]
) -> dict[str, str]:
    """Return by name of those that reject a row whose old columns are NULL, what to do.

    The rows of the table are tried, and one that has NULL in all columns. Functions find others by
    the path of the session, as in its writes.
    """
    old = {column for each in found for column in each.columns}
    columns = SQL(", ").join(
        SQL("CASE WHEN false THEN u.{0} END AS {0}" if each in old else "u.{0}").format(
            Identifier(each)
        )
        for each in live.columns
    )
    rows = SQL(
        "SELECT {0} FROM (VALUES (1)) AS one LEFT JOIN {1} AS u ON false"
        " UNION ALL SELECT {0} FROM {1} AS u"
    ).format(columns, name)
    query = SQL("SELECT EXISTS (SELECT FROM ({}) AS u WHERE {})")
    return {
        each.name: reason
        for each in found
        if each.clash is not None
        and (reason := _try(connection, query.format(rows, SQL(each.clash))))
    }


def _try(connection: Connection, query: Composed) -> str | None:
    """Return what to do if *query* returns true, or a function of the team raises in it."""
    try:
        with connection.transaction(force_rollback=True):
            return _CLASH if connection.execute(query).fetchone() == (True,) else None
    except OperationalError:  # the server's, and no function's
        raise
    except DatabaseError as error:
        # Without its message, which may have a value of the row.
        return _RAISES.format(type(error).__name__, error.sqlstate)
