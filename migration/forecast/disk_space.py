"""Room for what a pass writes, where the database keeps its files.

PostgreSQL does not say how much space is free. So it is measured on the machine that has the
server's folders, if that is this one, else by a function that an administrator has installed, or a
person says it. Quotas, volumes that promise more than there is,
and a place of their own for temporary files are not seen.
"""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from migration.forecast.estimate import Estimate
from migration.table.migrated_table import MigratedTable
from vault.declare import sizes

#: Rows that the application writes during a pass are written again, too.
_MARGIN: Final = 1.2
#: Bytes that stay free, because a server without space for its WAL stops: as much as the WAL of a
#: server takes by default, so that live traffic does not fill them before a person looks.
_RESERVE: Final = 1 << 30
#: Times the largest WAL that is set, which a server exceeds while a checkpoint is under way.
_KEPT: Final = 2
_FILES: Final = "tables and indexes"
_ALL: Final = "tables, indexes and WAL"
_HINT: Final = (
    " where the database keeps them; nothing was changed. Add space there, or remove what is not"
    " needed"
)
_UNKNOWN: Final = "pass --free, or install the function strongroom_disk_free"
#: The first bytes of the control file: the identifier of the server.
_IDENTIFIER: Final = struct.Struct("=q")

_DATA_FOLDER: Final[LiteralString] = (
    "SELECT setting FROM pg_settings WHERE name = 'data_directory'"  # no row without the right
)
_SYSTEM: Final[LiteralString] = "SELECT system_identifier FROM pg_control_system()"
#: The function of an administrator; another one's could do anything with the rights of this user.
_FUNCTION: Final[LiteralString] = """
    SELECT n.nspname, p.proname FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_roles AS r ON r.oid = p.proowner
    WHERE p.proname = 'strongroom_disk_free' AND p.pronargs = 0 AND r.rolsuper
        AND p.prorettype = 'bigint'::regtype AND has_function_privilege(p.oid, 'EXECUTE')
        AND has_schema_privilege(n.oid, 'USAGE')
"""
#: Folders of the table, its indexes and what is created next; empty for the data folder.
_TABLESPACES: Final[LiteralString] = """
    WITH named AS (SELECT format('%%I.%%I', %s::text, %s::text)::regclass AS oid), tables AS (
        SELECT oid FROM named UNION SELECT relid FROM pg_partition_tree((SELECT oid FROM named))
    ), used AS (
        SELECT reltablespace AS oid FROM pg_class WHERE oid IN (SELECT oid FROM tables)
            OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM tables))
        UNION SELECT oid FROM pg_tablespace WHERE spcname = current_setting('default_tablespace')
    )
    SELECT DISTINCT pg_tablespace_location(coalesce(nullif(used.oid, 0), d.dattablespace))
    FROM pg_database AS d CROSS JOIN (TABLE used UNION SELECT 0) AS used
    WHERE d.datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Room:
    """Free space.

    *files* and *wal* are bytes, None if unknown; of several filesystems, the one with the least
    counts.
    """

    files: int | None
    wal: int | None
    is_shared: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision on whether there is room."""

    is_enough: bool | None
    text: str


def read(connection: Connection, table: MigratedTable) -> Room:
    """Return the room of the server of *connection*, which is unknown if it is not measurable."""
    (found,) = connection.execute(_DATA_FOLDER).fetchone() or (None,)
    if found is None or not is_data_folder(connection, Path(found)):
        free = _call_function(connection)
        return Room(free, free)
    data = Path(found)
    named = table.schema, table.name
    folders = [Path(each or data) for (each,) in connection.execute(_TABLESPACES, named)]
    log = data / "pg_wal"
    free = min(shutil.disk_usage(each).free for each in folders)
    is_shared = log.stat().st_dev in {each.stat().st_dev for each in folders}
    return Room(free, shutil.disk_usage(log).free, is_shared)


def _call_function(connection: Connection) -> int | None:
    found = connection.execute(_FUNCTION).fetchone()
    if found is None:
        return None
    (free,) = connection.execute(SQL("SELECT {}()").format(Identifier(*found))).fetchone() or (0,)
    return None if free is None else int(free)


def is_data_folder(connection: Connection, folder: Path) -> bool:
    """Return whether *folder* on this machine is that of the server.

    Another machine's server may name a folder that exists here too. Who may not read the server's
    files cannot tell.
    """
    (identifier,) = connection.execute(_SYSTEM).fetchone() or (None,)
    try:
        with (folder / "global" / "pg_control").open("rb") as control:
            start = control.read(_IDENTIFIER.size)
    except OSError:
        return False
    return len(start) == _IDENTIFIER.size and _IDENTIFIER.unpack(start) == (identifier,)


def decide(what: str, need: Estimate, kept: int, room: Room) -> Verdict:
    """Return whether *room* is enough for *need*.

    *kept* is the WAL, in bytes, within which the server is set to keep.
    """
    log = min(need.wal, _KEPT * kept)
    if room.is_shared:
        compared = [(_ALL, need.files + log, _least(room.files, room.wal))]
    else:
        compared = [(_FILES, need.files, room.files), ("WAL", log, room.wal)]
    texts, is_unknown = [], False
    for content, size, free in compared:
        needed = round(size * _MARGIN) + _RESERVE
        text = f"{what} needs {sizes.render(needed)} for {content}"
        if free is None:
            is_unknown = True
            texts.append(f"{text}, and what is free there is unknown; {_UNKNOWN}")
        elif free < needed:
            return Verdict(
                is_enough=False, text=f"{text}, and {sizes.render(free)} are free{_HINT}"
            )
        else:
            texts.append(f"{text}, and {sizes.render(free)} are free")
    return Verdict(is_enough=None if is_unknown else True, text="; ".join(texts))


def _least(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else min(one, other)
