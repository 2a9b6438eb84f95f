"""Store of audit lines: one Parquet file for each segment of a log, asked through DuckDB."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from app_integration.errors import ConfigurationError
from vault.audit.event_columns import ACTOR, JSON_COLUMNS, OUTCOME, select_lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Columns of an access record of the SDK.
RECORD_COLUMNS: Final = {
    "time": "TIMESTAMP",
    "service": "VARCHAR",
    "environment": "VARCHAR",
    "host": "VARCHAR",
    "pid": "BIGINT",
    "accessor": "VARCHAR",
    "operation": "VARCHAR",
    "secret": "VARCHAR",
    "outcome": "VARCHAR",
    "source": "VARCHAR",
    "version": "BIGINT",
    "count": "BIGINT",
    "request_id": "UUID",
}
#: View → folder of its files.
FOLDERS: Final = {"lines": "events", "records": "records"}
MEMORY: Final = "800MB"

#: Each device has a line for each request. One with no id, which is malformed, stays.
_EVENTS: Final = f"""
CREATE VIEW events AS
SELECT *, {OUTCOME} AS outcome, {ACTOR} AS actor
FROM lines
WHERE type = 'response'
QUALIFY request_id IS NULL
    OR row_number() OVER (PARTITION BY request_id ORDER BY device) = 1
"""


@contextmanager
def open_store(folder: Path) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with the views ``lines``, ``events`` and ``records``.

    It reads below *folder* only, and loads no extension. No file of the store is removed meanwhile.

    Args:
        folder: Folder of the store, with ``events/`` and ``records/``.

    Raises:
        ConfigurationError: If DuckDB is not installed.

    """
    with _hold(folder), import_duckdb().connect() as connection:
        _confine(connection, folder)
        _create_views(connection, folder)
        yield connection


@contextmanager
def _hold(folder: Path) -> Iterator[None]:
    """Let no ingest remove or merge files of *folder* during the block."""
    if not folder.is_dir():
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def import_duckdb() -> ModuleType:
    """Return the module ``duckdb``.

    Raises:
        ConfigurationError: If it is not installed.

    """
    try:
        import duckdb  # noqa: PLC0415 (part of an extra)
    except ImportError:
        raise ConfigurationError(
            "duckdb is not installed; install the tool with its extra: strongroom[audit]"
        ) from None
    return duckdb


def quote(text: str) -> str:
    """Return *text* as a string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _confine(connection: DuckDBPyConnection, folder: Path) -> None:
    """Let *connection* read and write below *folder* only, for good."""
    for name, value in (
        ("TimeZone", "'UTC'"),
        ("memory_limit", f"'{MEMORY}'"),
        ("temp_directory", quote(str(folder / "temporary"))),
        ("allowed_directories", f"[{quote(f'{folder}/')}]"),
        ("autoinstall_known_extensions", "false"),
        ("autoload_known_extensions", "false"),
        ("enable_external_access", "false"),
        ("lock_configuration", "true"),
    ):
        connection.execute(f"SET {name} = {value}")


def _create_views(connection: DuckDBPyConnection, folder: Path) -> None:
    no_line = (
        f"SELECT *, CAST(NULL AS VARCHAR) AS device FROM ({select_lines(_empty(JSON_COLUMNS))})"
    )
    for name, empty in (("lines", no_line), ("records", f"SELECT * FROM {_empty(RECORD_COLUMNS)}")):
        files = folder / FOLDERS[name]
        has_file = any(files.glob("*.parquet"))
        query = f"SELECT * FROM read_parquet({quote(f'{files}/*.parquet')})"
        connection.execute(f"CREATE VIEW {name} AS {query if has_file else empty}")
    connection.execute(_EVENTS)


def _empty(columns: Mapping[str, str]) -> str:
    """Return SQL of a table with *columns* and no row."""
    values = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
    return f"(SELECT {values} WHERE false)"
