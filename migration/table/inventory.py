"""Inventory of what the catalogue has that depends on columns of a table, or reacts to changes.

It is read in one query, so that a plan, each pass and the way back see the same kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, LiteralString

from psycopg import Connection

# What partitions have of their table is left out, but for columns and their defaults.
_INVENTORY: Final[LiteralString] = """
    WITH RECURSIVE root AS (
        SELECT format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass AS oid
    ), tree AS (
        SELECT oid::oid FROM root
        UNION SELECT relid FROM root CROSS JOIN LATERAL pg_partition_tree(root.oid)
    ), chosen AS (
        SELECT a.*, a.attrelid = root.oid AS is_root, pg_describe_object(
            'pg_class'::regclass, a.attrelid, a.attnum
        ) AS described
        FROM pg_attribute AS a JOIN tree ON tree.oid = a.attrelid CROSS JOIN root
        WHERE a.attnum > 0 AND NOT a.attisdropped
            AND (%(columns)s::text[] IS NULL OR a.attname = ANY (%(columns)s))
    ), direct AS (
        SELECT d.classid, d.objid, array_agg(DISTINCT c.attname::text) AS columns
        FROM pg_depend AS d JOIN chosen AS c ON d.refclassid = 'pg_class'::regclass
            AND d.refobjid = c.attrelid AND d.refobjsubid = c.attnum
        GROUP BY 1, 2
    ), readers AS (
        SELECT r.ev_class AS oid, d.columns FROM direct AS d JOIN pg_rewrite AS r
            ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class NOT IN (SELECT oid FROM tree)
        UNION
        SELECT r.ev_class, v.columns FROM readers AS v JOIN pg_depend AS d
            ON d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = v.oid
        JOIN pg_rewrite AS r ON r.oid = d.objid AND r.ev_class <> v.oid
    ), uniques AS (
        SELECT i.indexrelid, format('(%%s) AND (%%s OR %%s)',
            coalesce(pg_get_expr(i.indpred, i.indrelid), 'true'),
            coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false'),
            (
                SELECT string_agg(
                    format('%%s IS NOT NULL', pg_get_indexdef(i.indexrelid, k, false)), ' AND '
                ) FROM generate_series(1, i.indnkeyatts) AS k
            )
        ) AS clash
        FROM pg_index AS i JOIN tree ON tree.oid = i.indrelid WHERE indisunique OR indisexclusion
    )
    SELECT CASE WHEN NOT c.is_root THEN 'column' WHEN c.attidentity <> '' THEN 'identity'
            ELSE 'column' END AS kind,
        c.described AS name, ARRAY[c.attname::text] AS columns, concat_ws(
            ' ', format_type(c.atttypid, c.atttypmod), c.attcollation, c.attidentity,
            c.attgenerated, c.attstorage, c.attcompression, c.attoptions, c.attstattarget
        ) AS definition, NULL AS clash
    FROM chosen AS c
    UNION ALL
    SELECT CASE WHEN c.is_root THEN 'not null' WHEN r.attnotnull THEN 'column'
            ELSE 'not null of a partition' END,
        'NOT NULL of ' || c.described, ARRAY[c.attname::text], coalesce(n.conname, ''), NULL
    FROM chosen AS c
    CROSS JOIN root JOIN pg_attribute AS r ON r.attrelid = root.oid AND r.attname = c.attname
    LEFT JOIN pg_constraint AS n
        ON n.contype = 'n' AND n.conrelid = c.attrelid AND n.conkey = ARRAY[c.attnum]
    WHERE c.attnotnull
    UNION ALL
    SELECT 'column privilege', 'privileges of ' || described, ARRAY[attname::text], attacl::text,
        NULL FROM chosen WHERE attacl IS NOT NULL
    UNION ALL
    SELECT CASE c.contype WHEN 'c' THEN 'check' WHEN 'f' THEN
            CASE WHEN c.conrelid IN (SELECT oid FROM tree) THEN 'reference' ELSE 'referrer' END
            ELSE 'unique' END,
        pg_describe_object(d.classid, d.objid, 0), d.columns, pg_get_constraintdef(c.oid),
        CASE WHEN c.contype = 'c'
            THEN format('(%%s) IS FALSE', pg_get_expr(c.conbin, c.conrelid)) ELSE u.clash END
    FROM direct AS d
    JOIN pg_constraint AS c ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
    LEFT JOIN uniques AS u ON u.indexrelid = c.conindid AND c.contype <> 'f'
    WHERE c.contype <> 'n' AND c.conparentid = 0 AND (c.contype <> 'c' OR c.coninhcount = 0)
        AND NOT (c.conrelid = (SELECT oid FROM root) AND c.conname = ANY (%(constraints)s))
    UNION ALL
    SELECT CASE WHEN i.relkind = 'S' THEN 'sequence' WHEN u.clash IS NULL THEN 'index'
            ELSE 'unique' END,
        pg_describe_object(d.classid, d.objid, 0), d.columns,
        CASE i.relkind WHEN 'S' THEN '' ELSE pg_get_indexdef(i.oid) END, u.clash
    FROM direct AS d JOIN pg_class AS i ON d.classid = 'pg_class'::regclass AND d.objid = i.oid
    LEFT JOIN uniques AS u ON u.indexrelid = i.oid
    WHERE i.relkind IN ('i', 'I', 'S') AND NOT i.relispartition
    UNION ALL
    SELECT CASE WHEN g.attgenerated = '' THEN 'default' ELSE 'generated column' END,
        pg_describe_object(d.classid, d.objid, 0), d.columns, pg_get_expr(e.adbin, e.adrelid), NULL
    FROM direct AS d
    JOIN pg_attrdef AS e ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
    JOIN pg_attribute AS g ON g.attrelid = e.adrelid AND g.attnum = e.adnum
    UNION ALL
    SELECT coalesce((
            SELECT kind FROM (VALUES ('pg_policy'::regclass, 'policy'),
                ('pg_publication_rel'::regclass, 'publication of the column'),
                ('pg_statistic_ext'::regclass, 'statistics'), ('pg_proc'::regclass, 'function')
            ) AS known (class, kind) WHERE class = d.classid
        ), 'other'),
        pg_describe_object(d.classid, d.objid, 0), d.columns, CASE d.classid
            WHEN 'pg_policy'::regclass THEN (
                SELECT concat_ws(' ', polcmd, polpermissive, polroles::regrole[],
                    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
                FROM pg_policy WHERE oid = d.objid
            )
            WHEN 'pg_statistic_ext'::regclass THEN pg_get_statisticsobjdef(d.objid)
            WHEN 'pg_proc'::regclass THEN pg_get_functiondef(d.objid) ELSE '' END, NULL
    FROM direct AS d WHERE d.classid NOT IN (
        'pg_constraint'::regclass, 'pg_class'::regclass, 'pg_attrdef'::regclass,
        'pg_rewrite'::regclass, 'pg_trigger'::regclass
    )
    UNION ALL
    SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
            ELSE 'rule elsewhere' END,
        pg_describe_object('pg_class'::regclass, c.oid, 0), v.columns, CASE
            WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) ELSE '' END, NULL
    FROM (SELECT oid, array_agg(DISTINCT each) AS columns
        FROM readers CROSS JOIN unnest(columns) AS each GROUP BY 1) AS v
    JOIN pg_class AS c ON c.oid = v.oid
    UNION ALL
    SELECT 'row type', pg_describe_object('pg_class'::regclass, a.attrelid, a.attnum), '{}',
        format_type(a.atttypid, a.atttypmod), NULL
    FROM (SELECT oid, typrelid FROM pg_type UNION ALL SELECT typarray, typrelid FROM pg_type) AS t
    JOIN pg_attribute AS a ON a.atttypid = t.oid AND NOT a.attisdropped
    JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
    WHERE t.typrelid IN (SELECT oid FROM tree)
    UNION ALL
    SELECT CASE WHEN d.columns IS NULL THEN 'trigger' ELSE 'trigger of the column' END,
        pg_describe_object('pg_trigger'::regclass, t.oid, 0), coalesce(d.columns, '{}'),
        concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled), NULL
    FROM pg_trigger AS t
    LEFT JOIN direct AS d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
    WHERE t.tgrelid IN (SELECT oid FROM tree) AND NOT t.tgisinternal AND t.tgparentid = 0
        AND NOT (t.tgrelid = (SELECT oid FROM root) AND t.tgname ~ %(trigger)s)
    UNION ALL
    SELECT 'rule', pg_describe_object('pg_rewrite'::regclass, r.oid, 0), '{}',
        concat_ws(' ', pg_get_ruledef(r.oid), r.ev_enabled), NULL
    FROM pg_rewrite AS r WHERE r.ev_class IN (SELECT oid FROM tree)
    UNION ALL
    SELECT CASE WHEN p.pubupdate THEN 'publication' ELSE 'publication without updates' END,
        format('publication %%I of table %%s', p.pubname, tree.oid::regclass), '{}',
        to_jsonb(t) ->> 'rowfilter', NULL
    FROM pg_publication_tables AS t JOIN pg_publication AS p USING (pubname)
    JOIN pg_class AS c ON c.relname = t.tablename JOIN tree ON tree.oid = c.oid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = t.schemaname
    UNION ALL
    SELECT 'subscription', format('subscription %%I to table %%s', s.subname, tree.oid::regclass),
        '{}', '', NULL
    FROM pg_subscription_rel AS r JOIN pg_subscription AS s ON s.oid = r.srsubid
    JOIN tree ON tree.oid = r.srrelid
    UNION ALL
    SELECT 'replica identity',
        'replica identity by ' || pg_describe_object('pg_class'::regclass, i.indexrelid, 0),
        array_agg(c.attname::text), '', NULL
    FROM pg_index AS i
    JOIN chosen AS c ON c.attrelid = i.indrelid AND c.attnum = ANY (i.indkey::smallint[])
    WHERE i.indisreplident GROUP BY i.indexrelid
    UNION ALL
    SELECT 'table', pg_describe_object('pg_class'::regclass, c.oid, 0), '{}', concat_ws(
        ' ', c.relowner::regrole, c.relacl, c.reloptions, c.relreplident, c.relrowsecurity,
        c.relforcerowsecurity, c.relpersistence, pg_get_expr(c.relpartbound, c.oid)
    ), NULL
    FROM pg_class AS c JOIN tree ON tree.oid = c.oid
    ORDER BY kind, name
"""
#: What a migration adds to the table that depends on old columns.
_OWN: Final = {
    "constraints": ["strongroom_no_plaintext", "strongroom_has_plaintext"],
    "trigger": "^zzz_strongroom_(before_update|after_update|after_insert|add_hash_[0-9]+)$",
}


class Kind(StrEnum):
    """What something in the catalogue is to a column, or to the table if it is of no column."""

    CHECK = "check"
    COLUMN = "column"
    COLUMN_PRIVILEGE = "column privilege"
    DEFAULT = "default"
    FUNCTION = "function"
    GENERATED = "generated column"
    IDENTITY = "identity"
    INDEX = "index"
    MATERIALIZED_VIEW = "materialized view"
    NOT_NULL = "not null"
    NOT_NULL_OF_PARTITION = "not null of a partition"
    OTHER = "other"
    POLICY = "policy"
    PUBLICATION = "publication"
    PUBLICATION_OF_COLUMN = "publication of the column"
    PUBLICATION_WITHOUT_UPDATES = "publication without updates"
    REFERENCE = "reference"
    REFERRER = "referrer"
    REPLICA_IDENTITY = "replica identity"
    ROW_TYPE = "row type"
    RULE = "rule"
    RULE_ELSEWHERE = "rule elsewhere"
    SEQUENCE = "sequence"
    STATISTICS = "statistics"
    SUBSCRIPTION = "subscription"
    TABLE = "table"
    TRIGGER = "trigger"
    TRIGGER_OF_COLUMN = "trigger of the column"
    UNIQUE = "unique"
    VIEW = "view"


_ITSELF: Final = frozenset({Kind.COLUMN, Kind.TABLE})


@dataclass(frozen=True, slots=True)
class Dependent:
    """Something in the catalogue that depends on columns of a table, or reacts to their change."""

    kind: Kind
    name: str
    columns: list[str]
    definition: str | None
    clash: LiteralString | None = None

    @property
    def described(self) -> str:
        """Return its name and columns, for messages."""
        return f"{self.name} ({', '.join(self.columns)})" if self.columns else self.name


@contextmanager
def qualified_names(connection: Connection) -> Iterator[None]:
    """Let the server write names with their schema in the block, whatever the session's path is."""
    with connection.transaction():
        found = connection.execute("SELECT current_setting('search_path')").fetchone()
        connection.execute("SET LOCAL search_path = pg_catalog")
        yield
        connection.execute("SELECT set_config('search_path', %s, true)", found)


def read(
    connection: Connection, schema: str, table: str, columns: Sequence[str] | None = None
) -> list[Dependent]:
    """Return what depends on *columns* of a table, in the order of kinds and names.

    What a migration added is not among it.
    """
    values = {
        "schema": schema,
        "table": table,
        "columns": None if columns is None else list(columns),
        **_OWN,
    }
    with qualified_names(connection):
        found = connection.execute(_INVENTORY, values).fetchall()
    dependents = (Dependent(Kind(kind), *rest) for kind, *rest in found)
    return [each for each in dependents if columns is None or each.kind not in _ITSELF]
