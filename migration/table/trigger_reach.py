"""Tables that triggers of a migrated table may write, as far as their functions can be read.

A function is searched for the names of tables and of other functions, and so are these. So too much
is found rather than too little, but not what a statement names that is made at run time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, LiteralString, TypeAlias

from psycopg import Connection

from migration.table.migrated_table import MigratedTable

#: Name, language and text of a function or rule.
_Texts: TypeAlias = dict[str, tuple[str, str]]
_READABLE: Final = frozenset({"plpgsql", "sql", "rule"})
_AT_RUN_TIME: Final = re.compile(r"\bexecute\b(?!\s+(?:function|procedure)\b)", re.IGNORECASE)
_WORDS: Final = re.compile(r'"([^"]+)"|(\w+)')

_OWN: Final[LiteralString] = "SELECT format('%%I.%%I', %s::text, %s::text)"
#: Triggers on any write, also those that are disabled now, as they may have fired before.
_REACTIONS: Final[LiteralString] = """
    WITH reached AS (
        SELECT to_regclass(name) AS oid FROM unnest(%s::text[]) AS name
    ), whole AS (
        SELECT oid FROM reached UNION SELECT p.relid FROM reached, pg_partition_tree(oid) AS p
    )
    SELECT p.oid::regprocedure::text, l.lanname::text,
        coalesce(nullif(p.prosrc, ''), pg_get_functiondef(p.oid))
    FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_language AS l
        ON l.oid = p.prolang JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE t.tgrelid IN (SELECT oid FROM whole) AND NOT t.tgisinternal
        AND n.nspname NOT IN ('pg_catalog', 'strongroom_migration')
    UNION
    SELECT format('rule %%s', r.rulename), 'rule', pg_get_ruledef(r.oid)
    FROM pg_rewrite AS r WHERE r.ev_class IN (SELECT oid FROM whole) AND r.ev_type <> '1'
"""
_CALLED: Final[LiteralString] = """
    SELECT p.oid::regprocedure::text, l.lanname::text,
        coalesce(nullif(p.prosrc, ''), pg_get_functiondef(p.oid))
    FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE p.proname = ANY (%s) AND p.prokind IN ('f', 'p')
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'strongroom_migration')
"""
_NAMED: Final[LiteralString] = """
    SELECT format('%%I.%%I', n.nspname, c.relname), c.relkind = 'f'
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = ANY (%s) AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'strongroom_migration')
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """What triggers may write.

    Attributes:
        own: Name of the table itself, as statements write it.
        relations: Names of the other tables and views.
        unknown: Functions and tables that were not followed, with the reason.

    """

    own: LiteralString
    relations: tuple[LiteralString, ...]
    unknown: tuple[str, ...]


def read(connection: Connection, table: MigratedTable) -> Reach:
    """Return what triggers of *table* may write, and those of what they write.

    Raises:
        psycopg.Error: If the server rejects a query.

    """
    (own,) = connection.execute(_OWN, (table.schema, table.name)).fetchone() or ("",)
    relations: dict[LiteralString, bool] = {own: False}
    functions: _Texts = {}
    size = 0
    while size < len(relations) + len(functions):
        size = len(relations) + len(functions)
        functions |= _read_texts(connection, _REACTIONS, [*relations])
        words = sorted({word for _, text in functions.values() for word in _iter_words(text)})
        functions |= _read_texts(connection, _CALLED, words)
        relations |= dict(connection.execute(_NAMED, (words,)).fetchall())
    local = sorted(name for name, is_foreign in relations.items() if not is_foreign)
    others = tuple(name for name in local if name != own)
    return Reach(own, others, tuple(_find_unknown(functions, relations)))


def _read_texts(connection: Connection, query: LiteralString, names: list[str]) -> _Texts:
    rows = connection.execute(query, (names,))
    return {name: (language, text) for name, language, text in rows}


def _iter_words(text: str) -> Iterator[str]:
    """Yield each word of *text* that may be a name."""
    for quoted, word in _WORDS.findall(text):
        yield quoted or word.lower()


def _find_unknown(functions: _Texts, relations: Mapping[LiteralString, bool]) -> Iterator[str]:
    for name, (language, text) in sorted(functions.items()):
        if language not in _READABLE:
            yield f"{name}, which is in {language}"
        elif _AT_RUN_TIME.search(text):
            yield f"{name}, which makes statements at run time"
    for name in sorted(name for name, is_foreign in relations.items() if is_foreign):
        yield f"{name}, which is on another server"
