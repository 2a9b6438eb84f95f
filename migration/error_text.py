"""Text of the database's errors, without values of rows."""

from __future__ import annotations

from typing import Final

import psycopg

#: SQLSTATE of a write that the guard refused.
REFUSED: Final = "SR001"
#: SQLSTATEs whose messages quote what is no value of a type.
_QUOTING: Final = frozenset({"22007", "22008", "22P02"})
#: SQLSTATE whose messages quote a number, or name a type alone.
_OUT_OF_RANGE: Final = "22003"
#: Starts of the SQLSTATEs of a session that the server ended, or a connection that it refused.
_LOST: Final = ("08", "57P")
#: The server's function that raises what a function in PL/pgSQL says, such as a trigger.
_RAISING: Final = "exec_stmt_raise"


def describe(error: psycopg.Error) -> str:
    """Return what *error* says, without its details, which have values."""
    text, state = error.diag.message_primary, error.sqlstate
    if text is None or state is None:
        return type(error).__name__
    is_raised = error.diag.source_function == _RAISING and state != REFUSED
    is_number = state == _OUT_OF_RANGE and any(map(str.isdigit, text))
    if state in _QUOTING or is_number or is_raised:
        return f"{type(error).__name__} (SQLSTATE {state}), whose text may have a value"
    return text


def is_lost(error: psycopg.Error) -> bool:
    """Return whether *error* is that of a connection which ended, or was not made."""
    state = error.sqlstate or _LOST[0]  # none, if the server said nothing
    return isinstance(error, psycopg.OperationalError) and state.startswith(_LOST)
