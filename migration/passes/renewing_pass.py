"""Pass that opens the tokens of rows, and changes their old values under fresh tokens.

From the switch on the token is authoritative: the guard proves that it is at least as new as the
plaintext. A fresh token of the same value is what the guard asks of each change, so that it needs
no exception for a migration's own passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from psycopg import Connection

from migration.migration_context import DependentRefused
from migration.passes.ranges import Ranges
from migration.rows.rows import Key, OpenedRows, Rows
from migration.rows.stored_values import CheckedUpdate
from migration.rows.token_writer import READS, TokenWriter
from migration.table import dependent_rules


@dataclass(frozen=True, slots=True)
class Renewed:
    """What one batch did."""

    written: int
    wrong: tuple[Key, ...]
    left: int


class RenewingPass(ABC):
    """Pass over one table, by any number of workers, each with a connection of its own."""

    #: Whether only rows that have a plaintext are read.
    _needs_old_value: ClassVar[bool]

    def __init__(self, ranges: Ranges, writer: TokenWriter, batch: int) -> None:
        """Create a pass. Nothing is read."""
        self._ranges = ranges
        self._statements = writer.statements
        self._cipher = writer.cipher
        self._batch = batch

    def run_batch(self, connection: Connection) -> Renewed | None:
        """Process one batch in one transaction; return None if no free range is left.

        It raises DependentRefused, and writes nothing, if a foreign key refers to an old column
        now.
        """
        with connection.transaction():
            claimed = self._ranges.claim(connection)
            if claimed is None:
                return None
            rows = self._statements.read_range(
                connection,
                claimed.after,
                claimed.until,
                self._batch,
                incomplete=False,
                plaintext=self._needs_old_value,
            )
            done = self._process(connection, rows)
            # The locks of what was written let no foreign key in until this transaction ends.
            if names := dependent_rules.find_referrers(connection, self._statements.table):
                raise DependentRefused(
                    f"migration {self._ranges.migration}: {', '.join(names)} came during a pass,"
                    " which would be carried over to its rows; drop it, and repeat the command"
                )
            is_done, last = len(rows) < self._batch, rows.keys[-1] if rows else None
            # Rows that others changed all the time need another pass, as wrong rows do.
            wrong = len(done.wrong) + done.left
            self._ranges.save(
                connection, claimed.number, last, len(rows), wrong=wrong, is_done=is_done
            )
            return done

    @abstractmethod
    def _find_changes(self, opened: OpenedRows) -> Mapping[str, Sequence[bool]]:
        """Return by old column whether to change it, for each row."""

    @abstractmethod
    def _write(
        self,
        connection: Connection,
        opened: OpenedRows,
        changes: Mapping[str, Sequence[bool]],
        written: Sequence[Sequence[bytes | None]],
    ) -> Collection[int]:
        """Write rows, and return the positions of those that were still as they were read.

        For each row, *changes* has by old column whether it changes, and *written* the bytes of
        each written column.
        """

    def _process(self, connection: Connection, rows: Rows) -> Renewed:
        """Write *rows*, and read those again that others changed first."""
        written, wrong = 0, list[Key]()
        for _ in range(READS):
            opened = self._cipher.open(rows)
            wrong += [rows.keys[at] for at in sorted(opened.failed)]
            done, left = self._write_changes(connection, opened)
            written += done
            if not left:
                return Renewed(written, tuple(wrong), 0)
            rows = self._statements.read_keys(connection, left, incomplete=False)
        return Renewed(written, tuple(wrong), len(rows))

    def _write_changes(self, connection: Connection, opened: OpenedRows) -> tuple[int, list[Key]]:
        """Write what is to change, and return the number of rows and the keys of what is left."""
        changes = self._find_changes(opened)
        chosen = [
            at
            for at, columns in enumerate(zip(*changes.values(), strict=True))
            if any(columns) and at not in opened.failed
        ]
        if not chosen:
            return 0, []
        opened = opened.choose(chosen)
        changes = {name: [each[at] for at in chosen] for name, each in changes.items()}
        written = self._cipher.renew(opened, changes)
        done = self._write(connection, opened, changes, written)
        return len(done), [key for at, key in enumerate(opened.rows.keys) if at not in done]


class Restoration(RenewingPass):
    """Restoration of one table: each old value that differs from its token's becomes that."""

    _needs_old_value = False

    def _find_changes(self, opened: OpenedRows) -> Mapping[str, Sequence[bool]]:
        return self._cipher.find_changes(opened)

    def _write(
        self,
        connection: Connection,
        opened: OpenedRows,
        changes: Mapping[str, Sequence[bool]],
        written: Sequence[Sequence[bytes | None]],
    ) -> Collection[int]:
        """Write rows. See :meth:`RenewingPass._write`."""
        restored = self._cipher.sources.encrypt(opened.values, changes)
        statements = self._statements
        checked = CheckedUpdate(statements.table, statements.table.old_columns, statements.restore)
        return checked.write(connection, opened.rows, [*written, *restored])


class Nulling(RenewingPass):
    """Nulling of one table: a row keeps its tokens' values, and loses the old ones."""

    _needs_old_value = True

    def _find_changes(self, opened: OpenedRows) -> Mapping[str, Sequence[bool]]:
        table, columns = self._statements.table, opened.rows.columns
        return {
            name: [
                any(value is not None for value in values)
                for values in zip(
                    columns[name],
                    *(columns[index.column] for index in table.old_indexes if name == index.of),
                    strict=True,
                )
            ]
            for name in table.migrated
        }

    def _write(
        self,
        connection: Connection,
        opened: OpenedRows,
        changes: Mapping[str, Sequence[bool]],  # noqa: ARG002 (all old columns of a row end)
        written: Sequence[Sequence[bytes | None]],
    ) -> Collection[int]:
        return self._statements.null(connection, opened.rows, written)
