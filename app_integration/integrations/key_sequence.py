"""Sequences of PostgreSQL that generate primary keys, and keys that are reserved from them.

A token is bound to the key of its row, so the key must be known before the row is written.
"""

from __future__ import annotations

import re
from typing import Any, Final, LiteralString

from app_integration.errors import EncryptionError

#: Name of the sequence that generates the values of a column: of an identity, or of a default that
#: is nextval() alone, owned by the column or not. NULL if there is none. A default is written for
#: the session's search path, in which the name is valid.
SEQUENCE: Final[LiteralString] = """
    SELECT CASE WHEN a.attidentity <> ''
        THEN pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)
        ELSE substring(
            pg_get_expr(e.adbin, e.adrelid) FROM '^nextval[(]''([^'']+)''::regclass[)]$'
        ) END
    FROM pg_attribute AS a
    LEFT JOIN pg_attrdef AS e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
    WHERE a.attrelid = {table} AND a.attname = {column} AND NOT a.attisdropped
"""
#: Keys of a column, in one statement; NULL if it has no sequence.
RESERVE: Final[LiteralString] = (
    "SELECT nextval(CAST(("  # noqa: S608 (all of it is written here)
    + SEQUENCE.replace("{table}", "to_regclass(CAST({table} AS text))")
    + ") AS regclass)) FROM generate_series(1, CAST({count} AS integer))"
)
_COLUMNS: Final = re.compile(r'INSERT INTO (?:[^"(]|"[^"]*")+\((?:[^")]|"[^"]*")*\)')


def check_reserved(keys: list[Any], column: object) -> list[Any]:
    """Return *keys*, which were reserved for *column*."""
    if keys and None not in keys:
        return keys
    raise EncryptionError(
        f"{column}: tokens are bound to this key before the row is written, and the column has no"
        " sequence of PostgreSQL (identity, serial, or a default that is nextval() alone) to"
        " reserve one from; assign the key, or give it a default of the application such as uuid4"
    )


def override_identity(statement: str) -> str:
    """Return an INSERT that may name values of a column that is GENERATED ALWAYS."""
    return _COLUMNS.sub(r"\g<0> OVERRIDING SYSTEM VALUE", statement, count=1)
