"""Queries for the facts of a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from backup.facts import LARGE_OBJECTS, DatabaseFacts, SequenceFacts, TableFacts

#: Relations that a dump contains: not those of the system, of an extension or of a session.
_OWN: Final[LiteralString] = """
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
    AND c.relkind <> 't' AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.deptype = 'e')
"""
_NAME: Final[LiteralString] = "quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
_RELATIONS: Final[LiteralString] = f"SELECT c.relkind::text || ' ' || {_NAME} {_OWN} ORDER BY 1"
_TABLES: Final[LiteralString] = f"""
    SELECT {_NAME}, n.nspname, c.relname, pg_table_size(c.oid) {_OWN} AND c.relkind = 'r' ORDER BY 1
"""
#: A sequence that begins again at its end has no direction, which is an increment of 0 here.
_SEQUENCES: Final[LiteralString] = f"""
    SELECT {_NAME}, n.nspname, c.relname, s.seqincrement, CASE WHEN s.seqcycle THEN 0 ELSE 1 END
    {_OWN.replace("WHERE", "JOIN pg_sequence s ON s.seqrelid = c.oid WHERE", 1)} ORDER BY 1
"""
#: Roles in privileges and policies of this database, and those of default privileges.
_ROLES: Final[LiteralString] = """
    SELECT DISTINCT pg_get_userbyid(refobjid) FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass
    AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (deptype IN ('a', 'r') OR classid = 'pg_default_acl'::regclass) ORDER BY 1
"""
_EXTENSIONS: Final[LiteralString] = """
    SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname <> 'plpgsql' ORDER BY 1
"""
#: As JSON, because the name of the column with the locale depends on the version of the server.
_DATABASE: Final[LiteralString] = """
    SELECT pg_encoding_to_char(encoding), to_jsonb(d) FROM pg_database d
    WHERE datname = current_database()
"""
#: Not by a cast, because a cast of the database's users could make different rows equal.
_CHECKSUM: Final[LiteralString] = """
    SELECT count(*), coalesce(sum(hashtextextended(textin(record_out(t.*)), 0)), 0)
    FROM ONLY {}.{} AS t
"""
_LARGE_OBJECTS: Final[LiteralString] = """
    SELECT count(*), coalesce(sum(hashtextextended(oid::text || sha256(lo_get(oid))::text, 0)), 0)
    FROM pg_largeobject_metadata
"""
_STATE: Final[LiteralString] = "SELECT last_value, is_called FROM {}.{}"

_NOT_OF_SYSTEM: Final[LiteralString] = """
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = o.tableoid AND d.objid = o.oid AND d.deptype IN ('e', 'i'))
    LIMIT 1
"""
#: Queries that return a row if the database has an object.
_ANY: Final[tuple[LiteralString, ...]] = (
    f"SELECT 1 {_OWN} LIMIT 1",
    "SELECT 1 FROM pg_largeobject_metadata LIMIT 1",
    f"SELECT 1 FROM pg_proc o JOIN pg_namespace n ON n.oid = o.pronamespace {_NOT_OF_SYSTEM}",  # noqa: S608 (of constants)
    f"SELECT 1 FROM pg_type o JOIN pg_namespace n ON n.oid = o.typnamespace {_NOT_OF_SYSTEM}",  # noqa: S608 (of constants)
)

_Rows = list[tuple[Any, ...]]


class Inventory:
    """Facts of the database of *connection*, whose settings are pinned."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._tables = self._rows(_TABLES)

    @property
    def tables(self) -> set[str]:
        """Return the names of the tables."""
        return {title for title, *_others in self._tables}

    @property
    def size(self) -> int:
        """Return the bytes of the tables."""
        return sum(size for *_names, size in self._tables)

    def lock_tables(self) -> None:
        """Lock the tables until the end of the transaction, so that none is dropped or changed.

        Reading and writing rows goes on. The statement takes no snapshot.
        """
        names = [SQL("ONLY {}.{}").format(*map(Identifier, each[1:3])) for each in self._tables]
        if names:
            statement = SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(SQL(", ").join(names))
            self._connection.execute(statement)

    def read(self, advance: Callable[[int], None]) -> DatabaseFacts:
        """Read all rows, and return the facts; *advance* gets the bytes of each table after it."""
        tables = {LARGE_OBJECTS: self._read_checksum(SQL(_LARGE_OBJECTS).format())}
        for title, schema, name, size in self._tables:
            query = SQL(_CHECKSUM).format(Identifier(schema), Identifier(name))
            tables[title] = self._read_checksum(query)
            advance(size)
        ((encoding, database),) = self._rows(_DATABASE)
        return DatabaseFacts(
            tables=tables,
            sequences=dict(map(self._sequence, self._rows(_SEQUENCES))),
            relations=tuple(name for (name,) in self._rows(_RELATIONS)),
            roles=tuple(name for (name,) in self._rows(_ROLES)),
            extensions=dict(self._rows(_EXTENSIONS)),
            encoding=encoding,
            locale=_locale(database),
        )

    def _read_checksum(self, query: Composed) -> TableFacts:
        ((rows, checksum),) = self._connection.execute(query).fetchall()
        return TableFacts(rows, int(checksum))

    def _sequence(self, row: tuple[Any, ...]) -> tuple[str, SequenceFacts]:
        title, schema, name, increment, direction = row
        query = SQL(_STATE).format(Identifier(schema), Identifier(name))
        ((last, called),) = self._connection.execute(query).fetchall()
        next_value = last + increment if called else last
        return title, SequenceFacts(next_value, increment * direction)

    def _rows(self, query: LiteralString) -> _Rows:
        return self._connection.execute(query).fetchall()


def is_empty(connection: psycopg.Connection) -> bool:
    """Return whether the database has no object with content, beside those of extensions."""
    return not any(connection.execute(query).fetchone() for query in _ANY)


def installed_extensions(connection: psycopg.Connection) -> set[str]:
    """Return the names of the installed extensions."""
    return {name for (name,) in connection.execute("SELECT extname FROM pg_extension")}


def schemas(connection: psycopg.Connection) -> set[str]:
    """Return the names of the schemas."""
    return {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace")}


def _locale(database: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return provider, collation, character type and locale of a row of ``pg_database``."""
    locale = database.get("datlocale") or database.get("daticulocale") or ""
    provider = database.get("datlocprovider") or "c"
    return provider, database["datcollate"], database["datctype"], locale
