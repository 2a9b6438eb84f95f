"""Hashes of a database's catalogue and tables, by which it is compared with itself."""

from __future__ import annotations

import hashlib
import subprocess
from typing import Final, LiteralString

from psycopg.sql import SQL, Identifier

from local.processes import binaries
from tests.support.databases.own_database import OwnDatabase

#: What migrations keep, which stays in the database.
_OWN: Final = "strongroom_migration"
#: Begins lines of a dump that are others each time.
_RANDOM: Final = ("\\restrict", "\\unrestrict")
_TABLES: Final[LiteralString] = """
    SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND n.nspname <> %s ORDER BY 1, 2
"""


def hash_catalogue(database: OwnDatabase) -> str:
    """Return the hash of what ``pg_dump`` says of all definitions."""
    password, port = database.superuser.password().reveal(), database.superuser.port
    url = f"postgresql://postgres:{password}@127.0.0.1:{port}/{database.name}"
    dumped = subprocess.run(
        [
            binaries.postgres_folder() / "bin/pg_dump",
            *("--schema-only", f"--exclude-schema={_OWN}", f"--dbname={url}"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = [line for line in dumped.splitlines() if not line.startswith(_RANDOM)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def hash_tables(database: OwnDatabase, *without: str) -> dict[str, str]:
    """Return the hash of the rows of each table and materialised view but for those *without*."""
    with database.connect() as connection:
        names = connection.execute(_TABLES, (_OWN,)).fetchall()
        found = {}
        for schema, name in names:
            if name in without:
                continue
            rows = connection.execute(
                SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(Identifier(schema, name))
            )
            digest = hashlib.sha256()
            for (row,) in rows:
                digest.update(row.encode() + b"\n")
            found[f"{schema}.{name}"] = digest.hexdigest()
        return found
