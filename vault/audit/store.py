"""Store of audit lines: one Parquet file for each segment of a log, asked through DuckDB."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app_integration._internal.input_file import open_input
from app_integration._internal.private_file import lock
from app_integration.errors import ConfigurationError
from vault.audit.event_columns import ACTOR, LINES, OUTCOME, select_lines
from vault.audit.extra import import_extra
from vault.audit.hmac_names import Names
from vault.owned_folder import FolderKind, check

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


#: A standby's line of a request that it passed to the leader, which logs the outcome. One of some
#: logins names the reason by an HMAC only; a wrong credential of theirs has another error.
_PASSED_ON: Final = """
coalesce(error LIKE '%cannot write to readonly storage%' OR (
    error = 'invalid request' AND data_error AND regexp_matches(path, '/login(/|$)')
    AND mount_type IN ('approle', 'userpass', 'jwt', 'cert', 'kubernetes')
), false)
"""

#: Each device has a line for each request. One with no id, which is malformed, stays. Only the ids
#: of repeated lines are kept in memory; a window function would keep whole lines.
EVENTS: Final = f"""
CREATE VIEW events AS
SELECT lines.*, {OUTCOME} AS outcome, {ACTOR} AS actor
FROM lines ANTI JOIN (
    SELECT request_id, min(line) AS first FROM lines
    WHERE type = 'response' AND request_id IS NOT NULL
    GROUP BY request_id HAVING count(*) > 1
) AS repeated ON repeated.request_id = lines.request_id AND repeated.first <> lines.line
WHERE type = 'response' AND NOT {_PASSED_ON}
"""


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
#: Its index, of the package ``ingest``.
INDEX: Final = "index.json"
_INDEX_HEAD: Final = re.compile(rb'\{"format":\d+,"logs":')
#: Name of a file with lines.
PARQUET: Final = re.compile(r"[0-9a-f]{16}-\d{15}-\d{15}\.parquet")
#: View → folder of its files.
FOLDERS: Final = {"lines": "events", "records": "records"}
#: Folder of the temporary files of readers.
SPILLED: Final = "spilled"
MEMORY: Final = "800MB"
#: End of an error about what cannot be read. The operator looks at the folder before it is removed.
REBUILD: Final = "move the folder away, and ingest the logs again into a new one"
_PATTERN: Final = re.compile(r"[*?\[\\]")

#: Number of a line in the store, those of the first device first.
_LINE: Final = """
(list_position((SELECT list(DISTINCT device ORDER BY device) FROM {files}), device)::BIGINT << 52)
    + (file_index::BIGINT << 34) + file_row_number
"""
#: A database user in plain, where its HMAC is known.
_NAMED: Final = """
SELECT found.* REPLACE (coalesce(names.name, found.database_user) AS database_user)
FROM ({}) AS found
LEFT JOIN names ON names.device = found.device AND names.hash = found.database_user
"""


def _is_earlier(folder: Path, _names: Collection[str]) -> bool:
    """Return whether *folder* has an index, because each store had one after its first log."""
    try:
        with open_input(folder / INDEX) as file:
            return _INDEX_HEAD.match(file.read(64)) is not None
    except OSError:
        return False


STORE: Final = FolderKind("store", "store of audit lines", "--store", _is_earlier)


@contextmanager
def open_store(
    folder: Path, into: DuckDBPyConnection | None = None
) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with the views ``lines``, ``events`` and ``records``.

    The table ``names`` has what is known of HMACs, by device. The connection reads below *folder*
    only, loads no extension, and removes no file of the store. The new connection *into* stays
    open: its temporary tables remain after the block, its views of files do not work any more.
    """
    folder, duckdb = check_folder(folder), import_extra("duckdb")
    with _hold(folder), duckdb.connect() if into is None else nullcontext(into) as connection:
        _confine(connection, folder)
        try:
            _create_views(connection, folder)
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise ConfigurationError(
                f"a file of the store {folder} is damaged ({type(error).__name__}); {REBUILD}"
            ) from None
        yield connection


def require_lines(connection: DuckDBPyConnection, folder: Path) -> None:
    """Check that a store has a line."""
    if not connection.execute("SELECT 1 FROM lines LIMIT 1").fetchall():
        raise ConfigurationError(
            f"{folder} has no line of an audit log; name a file of each audit device with "
            "--audit-log"
        )


def _hold(folder: Path) -> AbstractContextManager[None]:
    """Let no ingest remove or merge files of *folder* during the block."""
    return lock(folder, folder=True, shared=True) if folder.is_dir() else nullcontext()


def quote(text: str) -> str:
    """Return *text* as a string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def check_folder(folder: Path) -> Path:
    """Return the path of the store *folder* without symlinks, if DuckDB takes it for one folder."""
    path = check(folder, STORE)
    if _PATTERN.search(str(path)):
        raise ConfigurationError(
            f"{path} has one of * ? [ \\, so that DuckDB takes it for a pattern; name another "
            "folder with --store"
        )
    return path


def configure(
    connection: DuckDBPyConnection, memory: str, temporary: Path, settings: Mapping[str, str]
) -> None:
    """Configure *connection* for good: it loads no extension. The values of *settings* are SQL."""
    common = {
        "TimeZone": "'UTC'",
        "enable_progress_bar": "false",
        "memory_limit": quote(memory),
        "temp_directory": quote(str(temporary)),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    for name, value in {**common, **settings, "lock_configuration": "true"}.items():
        connection.execute(f"SET {name} = {value}")


def _confine(connection: DuckDBPyConnection, folder: Path) -> None:
    """Let *connection* read and write below *folder* only."""
    directories = f"[{quote(f'{folder}/')}]"
    settings = {"allowed_directories": directories, "enable_external_access": "false"}
    configure(connection, MEMORY, folder / SPILLED, settings)


def _create_views(connection: DuckDBPyConnection, folder: Path) -> None:
    connection.execute(
        "CREATE TABLE names (device VARCHAR, epoch BIGINT, hash VARCHAR, name VARCHAR)"
    )
    known = Names.load(folder).known.values()
    if known:
        rows = [(each.device, each.epoch, each.hash, each.name) for each in known]
        connection.executemany("INSERT INTO names VALUES (?, ?, ?, ?)", rows)
    lines = _select_lines(folder / FOLDERS["lines"])
    connection.execute(f"CREATE VIEW lines AS {_NAMED.format(lines) if known else lines}")
    records = _select_records(folder / FOLDERS["records"])
    connection.execute(f"CREATE VIEW records AS {records}")
    connection.execute(EVENTS)


def _has_files(folder: Path) -> bool:
    """Return whether a folder has Parquet files."""
    found = [path.name for path in folder.glob("*.parquet")]
    if foreign := [name for name in found if not PARQUET.fullmatch(name)]:
        raise ConfigurationError(
            f"{folder / min(foreign)} is no file of this store; move it out of the folder"
        )
    return bool(found)


def _select_lines(folder: Path) -> str:
    """Return a query of all lines in the Parquet files of a folder, each with its number."""
    if not _has_files(folder):
        no_line = select_lines(_empty(LINES.columns))
        return f"SELECT *, '' AS device, 0::BIGINT AS line FROM ({no_line})"
    files = f"{quote(f'{folder}/*.parquet')}, union_by_name = true"
    line = _LINE.format(files=f"read_parquet({files})")
    numbered = f"read_parquet({files}, file_row_number = true)"
    return f"SELECT * EXCLUDE (file_row_number), {line} AS line FROM {numbered}"


def _select_records(folder: Path) -> str:
    """Return a query of all access records in the Parquet files of a folder."""
    if not _has_files(folder):
        return f"SELECT * FROM {_empty(RECORD_COLUMNS)}"
    return f"SELECT * FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"


def _empty(columns: Mapping[str, str]) -> str:
    """Return SQL of a table with *columns* and no row."""
    values = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
    return f"(SELECT {values} WHERE false)"
