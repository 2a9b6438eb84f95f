"""Tables that triggers of a migrated table may write, as far as their functions can be read.

A function is searched for the names of tables and of other functions, and so are these. So too much
is found rather than too little, but not what a statement names that is made at run time. Only the
catalogue is read, because names are those of any role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, LiteralString, TypeAlias

from psycopg import Connection

from migration.table.migrated_table import MigratedTable

#: Name, language and text of a function or rule.
_Texts: TypeAlias = dict[str, tuple[str, str]]
_READABLE: Final = frozenset({"plpgsql", "sql", "rule"})
_AT_RUN_TIME: Final = re.compile(r"\bexecute\b(?!\s+(?:function|procedure)\b)", re.IGNORECASE)
_WORDS: Final = re.compile(r'"([^"]+)"|(\w+)')

_OWN: Final[LiteralString] = """
    WITH own AS (SELECT format('%%I.%%I', %s::text, %s::text)::regclass AS oid)
    SELECT oid::oid FROM own
    UNION SELECT relid::oid FROM own CROSS JOIN LATERAL pg_partition_tree(own.oid)
"""
#: With partitions and heirs.
_NAMED: Final[LiteralString] = """
    WITH RECURSIVE named AS (
        SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relname = ANY (%s) AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'strongroom_migration')
        UNION SELECT i.inhrelid FROM named JOIN pg_inherits AS i ON i.inhparent = named.oid
    )
    SELECT oid FROM named
"""
#: Triggers on any write, also those that are disabled now, as they may have fired before. A view
#: is followed to what it names, since it has no rows.
_REACTIONS: Final[LiteralString] = """
    WITH reached AS (SELECT unnest(%s::oid[]) AS oid)
    SELECT p.oid::regprocedure::text, l.lanname::text,
        coalesce(nullif(p.prosrc, ''), pg_get_functiondef(p.oid))
    FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_language AS l
        ON l.oid = p.prolang JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE t.tgrelid IN (SELECT oid FROM reached) AND NOT t.tgisinternal
        AND n.nspname NOT IN ('pg_catalog', 'strongroom_migration')
    UNION
    SELECT format('rule %%s of %%s', r.rulename, c.oid::regclass), 'rule', pg_get_ruledef(r.oid)
    FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
    WHERE c.oid IN (SELECT oid FROM reached) AND (r.ev_type <> '1' OR c.relkind = 'v')
"""
_CALLED: Final[LiteralString] = """
    SELECT p.oid::regprocedure::text, l.lanname::text,
        coalesce(nullif(p.prosrc, ''), pg_get_functiondef(p.oid))
    FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE p.proname = ANY (%s) AND p.prokind IN ('f', 'p')
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'strongroom_migration')
"""
#: What has rows, and why it is not to be read. A superuser is a member of each role.
_TABLES: Final[LiteralString] = """
    SELECT format('%%I.%%I', n.nspname, c.relname), c.oid = ANY (%s::oid[]), CASE
        WHEN c.relkind = 'f' THEN 'which is on another server'
        WHEN c.relkind = 'v' THEN 'which is a view'
        WHEN NOT pg_has_role(c.relowner, 'MEMBER') THEN 'which another role owns' END
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = ANY (%s::oid[]) AND c.relkind <> 'p' ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """What triggers may write."""

    own: tuple[LiteralString, ...]
    others: tuple[LiteralString, ...]
    unknown: tuple[str, ...]


def read(connection: Connection, table: MigratedTable) -> Reach:
    """Return what triggers of *table* may write, and those of what they write."""
    own = _read_oids(connection, _OWN, table.schema, table.name)
    relations = own
    functions: _Texts = {}
    size = 0
    while size < len(relations) + len(functions):
        size = len(relations) + len(functions)
        functions |= _read_texts(connection, _REACTIONS, [*relations])
        words = sorted({word for _, text in functions.values() for word in _iter_words(text)})
        functions |= _read_texts(connection, _CALLED, words)
        relations = relations | _read_oids(connection, _NAMED, words)
    found = connection.execute(_TABLES, ([*own], [*relations])).fetchall()
    return Reach(
        tuple(name for name, is_own, reason in found if is_own and not reason),
        tuple(name for name, is_own, reason in found if not is_own and not reason),
        (
            *_find_unknown(functions),
            *(f"{name}, {reason}" for name, _, reason in found if reason),
        ),
    )


def _read_oids(connection: Connection, query: LiteralString, *values: object) -> frozenset[int]:
    return frozenset(oid for (oid,) in connection.execute(query, values))


def _read_texts(connection: Connection, query: LiteralString, sought: list[Any]) -> _Texts:
    rows = connection.execute(query, (sought,))
    return {name: (language, text) for name, language, text in rows}


def _iter_words(text: str) -> Iterator[str]:
    """Yield each word of *text* that may be a name."""
    for quoted, word in _WORDS.findall(text):
        yield quoted or word.lower()


def _find_unknown(functions: _Texts) -> Iterator[str]:
    for name, (language, text) in sorted(functions.items()):
        if language not in _READABLE:
            yield f"{name}, which is in {language}"
        elif _AT_RUN_TIME.search(text):
            yield f"{name}, which makes statements at run time"
