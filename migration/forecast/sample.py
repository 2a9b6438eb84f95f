"""Sample of a live table: how many rows it has, and how many bytes they take.

The statistics of the server may be missing or old, so that some blocks of the table are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedColumn, MigratedTable

#: Bytes of a block, in which PostgreSQL reads, writes and logs.
BLOCK: Final = 8192
#: Blocks that are read: 8 MB, in which the number of rows is known to a few per cent.
_BLOCKS: Final = 1000
#: Bytes of a row's header.
_HEADER: Final = 24
#: Correlation of key and position, above which the rows lie in the order of the key.
_IN_ORDER: Final = 0.9

_FILES: Final[LiteralString] = """
    WITH named AS (SELECT format('%%I.%%I', %s::text, %s::text)::regclass AS oid), leaves AS (
        SELECT c.oid, c.reloptions, c.relreplident FROM pg_class AS c, named
        WHERE c.relkind = 'r' AND (
            c.oid = named.oid OR c.oid IN (SELECT relid FROM pg_partition_tree(named.oid))
        )
    )
    SELECT coalesce(sum(pg_relation_size(oid)), 0)::bigint AS main,
        coalesce(sum(pg_table_size(oid)), 0)::bigint AS whole,
        coalesce(sum(pg_indexes_size(oid)), 0)::bigint AS indexes,
        coalesce(max((SELECT count(*) FROM pg_index WHERE indrelid = leaves.oid)), 0)
            AS index_count,
        coalesce(min((
            SELECT option_value::int FROM pg_options_to_table(reloptions)
            WHERE option_name = 'fillfactor'
        )), 100) AS fillfactor,
        coalesce(bool_or(relreplident = 'f'), false) AND current_setting('wal_level') = 'logical'
            AS logs_old_rows
    FROM leaves
"""
_SETTINGS: Final[LiteralString] = """
    SELECT extract(epoch FROM current_setting('checkpoint_timeout')::interval)::float AS seconds,
        pg_size_bytes(current_setting('max_wal_size')) AS size
"""


@dataclass(frozen=True, slots=True)
class Files:
    """Files of a table, with those of its partitions.

    Sizes are bytes: *main* without values that are stored out of line, *whole* with them.
    *fillfactor* is per cent.
    """

    main: int
    whole: int
    indexes: int
    index_count: int
    fillfactor: int = 100
    logs_old_rows: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What makes the server begin a checkpoint, after which it logs whole blocks again."""

    seconds: float
    size: int


@dataclass(frozen=True, slots=True)
class Plaintexts:
    """Values of an old column."""

    part: float
    size: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Size of a table and of its rows.

    *filled* counts the rows with an old value. *row* and *written* are bytes of such a row and of
    its new columns, on average.
    """

    rows: int
    filled: int
    row: float
    written: float
    is_scattered: bool
    plaintexts: Mapping[str, Plaintexts]
    files: Files
    checkpoints: Checkpoints


def read(
    connection: Connection, table: MigratedTable, live: LiveTable, blocks: int = _BLOCKS
) -> Sample:
    """Return a sample of *table*."""
    with connection.cursor(row_factory=class_row(Files)) as cursor:
        named = table.schema, table.name
        files = cursor.execute(_FILES, named).fetchone() or Files(0, 0, 0, 0)
    with connection.cursor(row_factory=class_row(Checkpoints)) as cursor:
        checkpoints = cursor.execute(_SETTINGS).fetchone() or Checkpoints(300.0, 1 << 30)
    part = min(1.0, blocks * BLOCK / files.main) if files.main else 1.0
    query = _compose(table, live, part)
    rows, filled, row, written, correlation, *values = connection.execute(query).fetchone() or ()
    return Sample(
        round(rows / part),
        round(filled / part),
        row,
        written,
        correlation is not None and abs(correlation) < _IN_ORDER,
        dict(_read_plaintexts(table, filled, values)),
        files,
        checkpoints,
    )


def _read_plaintexts(
    table: MigratedTable, filled: int, values: list[Any]
) -> Iterator[tuple[str, Plaintexts]]:
    pairs = zip(table.columns, values[::2], values[1::2], strict=True)
    for column, count, size in pairs:
        yield column.old, Plaintexts(count / max(filled, 1), size)


def _compose(table: MigratedTable, live: LiveTable, part: float) -> Composed:
    """Return the query of the sample, of that *part* of the blocks."""
    sizes = SQL(", ").join(
        SQL("{} AS {}").format(_octets(column, live), Identifier(f"s{at}"))
        for at, column in enumerate(table.columns)
    )
    values = SQL(", ").join(
        SQL("count({0}), coalesce(avg({0}), 0)::float").format(Identifier(f"s{at}"))
        for at in range(len(table.columns))
    )
    return SQL(
        "SELECT count(*), count(*) FILTER (WHERE is_filled),"
        " coalesce(avg(width) FILTER (WHERE is_filled), 0)::float,"
        " coalesce(avg(written) FILTER (WHERE is_filled), 0)::float, corr(block, rank), {}"
        " FROM (SELECT (u.ctid::text::point)[0] AS block, row_number() OVER (ORDER BY {}) AS rank,"
        " num_nonnulls({}) > 0 AS is_filled, {} + {} AS width, {} AS written, {}"
        " FROM {} AS u TABLESAMPLE SYSTEM ({}) REPEATABLE (0)) AS sampled"
    ).format(
        values,
        SQL(", ").join(Identifier("u", name) for name in table.key),
        SQL(", ").join(Identifier("u", each.old) for each in table.columns),
        Literal(_HEADER),
        _widths(live.columns),
        _widths(name for name in table.added if name in live.columns),
        sizes,
        table.identifier,
        Literal(100 * part),
    )


def _widths(names: Iterable[str]) -> Composed:
    """Return the bytes of the columns *names* of a row, as it stores them."""
    widths = [SQL("coalesce(pg_column_size(u.{}), 0)").format(Identifier(name)) for name in names]
    return SQL("({})").format(SQL(" + ").join([Literal(0), *widths]))


def _octets(column: MigratedColumn, live: LiveTable) -> Composed:
    """Return the bytes of a plaintext, about as they are encrypted."""
    kind = SQL("") if live.columns[column.old].base_type == "bytea" else SQL("::text")
    return SQL("octet_length(u.{}{})").format(Identifier(column.old), kind)
