"""Passes over all rows of a table, which are repeated until one finds nothing wrong."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from psycopg import Connection

from app_integration.errors import StrongroomError
from migration import state_table
from migration.migration_context import MigrationContext
from migration.passes import ranges, work_reports
from migration.passes.ranges import RANGE, PassProgress, Ranges
from migration.stage import Stage
from migration.table.migrated_table import MigratedTable


class PassKind(StrEnum):
    """What a pass does with each row.

    ``VERIFY`` replaces the tokens that are not of their old value, ``VERIFIED_BACKFILL`` does so
    beside a backfill that is read back, ``NULL`` removes the old values whose tokens open, and
    ``RESTORE`` writes those that are not the tokens'.
    """

    BACKFILL = "backfill"
    VERIFIED_BACKFILL = "verified-backfill"
    VERIFY = "verify"
    NULL = "null"
    RESTORE = "restore"


#: Runs the workers of a pass until it has no range left.
RunWorkers = Callable[[PassKind, Ranges], object]


class RowsStayWrong(StrongroomError):
    """A repeated pass found rows wrong. They have their old values."""


def run_until_right(
    context: MigrationContext, table: MigratedTable, kind: PassKind, run: RunWorkers
) -> PassProgress:
    """Run passes until one found nothing wrong, and return its progress.

    A pass that an earlier command left is continued, and one that it completed is not repeated. It
    raises RowsStayWrong if the second pass of this command found rows wrong, too.
    """
    progress = _run(context, table, kind, run)
    if progress.wrong:
        # Those may be of writes that were under way; rows that are wrong again are not.
        progress = _run(context, table, kind, run)
    if not progress.wrong:
        return progress
    old, new = table.old_values, table.new_values
    raise RowsStayWrong(
        f"migration {context.name}: {progress.wrong} of {progress.rows} rows were wrong again in"
        f" a repeated pass ({kind}). {_REMEDIES[kind].format(old=old, new=new)}"
    )


def _run(
    context: MigrationContext, table: MigratedTable, kind: PassKind, run: RunWorkers
) -> PassProgress:
    pass_ = begin(context, table, kind)
    run(kind, pass_)
    with context.connect() as connection:
        progress = pass_.read_progress(connection)
    if not progress.is_done:
        # Without ranges nothing is wrong, and nothing is proved.
        raise state_table.MigrationMoved(
            f"migration {context.name}: another command ended this pass ({kind}); look at its state"
        )
    return progress


def begin(context: MigrationContext, table: MigratedTable, kind: PassKind) -> Ranges:
    """Return the last pass of *kind*, or the one after it if that found rows wrong.

    Passes of other kinds end, because one that removes old values and one that restores them undo
    what the other has done.
    """
    with context.lock() as connection, connection.transaction():
        context.require_stage(connection, _STAGES[kind])
        context.check_dependents(connection)
        work_reports.prepare(connection, context.name)
        ranges.forget_others(connection, context.name, kind)
        number = ranges.last_number(connection, context.name, kind)
        last = ranges_of(context.name, kind, number)
        progress = last.read_progress(connection)
        if progress.ranges and not (progress.is_done and progress.wrong):
            return last
        following = ranges_of(context.name, kind, number + 1)
        following.create(connection, table, RANGE)
        return following


def found_nothing_wrong(connection: Connection, migration: str, kind: PassKind) -> bool:
    """Return whether the last pass of *kind* is done, and every row was right."""
    number = ranges.last_number(connection, migration, kind)
    progress = ranges_of(migration, kind, number).read_progress(connection)
    return progress.is_done and not progress.wrong


def ranges_of(migration: str, kind: PassKind, number: int) -> Ranges:
    """Return the ranges of the *number*-th pass of *kind*."""
    return Ranges(migration, f"{kind} {number}")


_STAGES: Final = {
    PassKind.BACKFILL: Stage.DUAL_WRITING,
    PassKind.VERIFIED_BACKFILL: Stage.DUAL_WRITING,
    PassKind.VERIFY: Stage.BACKFILLED,
    PassKind.NULL: Stage.SWITCHED,
    PassKind.RESTORE: Stage.SWITCHED,
}
_MISMATCH: Final = (
    "A writer brings {new} of other values than their {old}, or removes {old} too early: look"
    " for another field, context or key in its code, and repeat the command. Rows that have"
    " {new} and no {old} were left: write them again by the application"
)
#: What to do; ``{old}`` and ``{new}`` stand for what the old and the new columns have.
_REMEDIES: Final = {
    PassKind.BACKFILL: (
        "Other sessions hold or change them all the time: end long transactions, and repeat the"
        " command"
    ),
    PassKind.VERIFIED_BACKFILL: f"Other sessions hold or change them all the time, or: {_MISMATCH}",
    PassKind.VERIFY: _MISMATCH,
    PassKind.NULL: (
        "Their {new} cannot be read, so their {old} stayed: look at these rows, write them"
        " again by the application, and repeat the command"
    ),
    PassKind.RESTORE: (
        "Their {new} cannot be read, or an application removes {old} still: deploy the version"
        " that writes both, and repeat the command"
    ),
}
