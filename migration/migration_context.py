"""What each step of a migration needs: its plan and table, its database and keys, and time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.sql import Identifier

from app_integration.errors import ConfigurationError
from migration import plan as plans
from migration import session_check, state_table
from migration.errors import MigrationBusy
from migration.pace import DEFAULT_DUTY
from migration.rows.row_cipher import RowCipher
from migration.stage import Stage
from migration.state_table import State
from migration.table import dependent_rules, inventory, live_checks, live_table
from migration.table.inventory import Dependent
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing
from vault.declare.schema.migration import MigrationPlan

#: Fields of a plan that may change while its migration runs.
_CHANGEABLE: Final = {"quiet_for", "backups_kept_for", "read_back", "triggers"}
_LOCK: Final[LiteralString] = (
    "SELECT pg_try_advisory_lock(hashtext('strongroom_migration'), hashtext(%s))"
)
_UNLOCK: Final[LiteralString] = (
    "SELECT pg_advisory_unlock(hashtext('strongroom_migration'), hashtext(%s))"
)


class MigrationMissing(ConfigurationError):
    """The migration was not begun, or was undone. Nothing was changed."""


class DependentRefused(ConfigurationError):
    """Something in the database would suffer from a pass, or keep what it removes."""


@dataclass(frozen=True, slots=True)
class MigrationContext:
    """What each step of a migration needs.

    *connect* opens a connection that commits each statement. *free* is the bytes that a person says
    are free where the database keeps its files; None to measure them. *ask_free* asks a person if
    they cannot be measured, and returns None if nobody answers.
    """

    plan: MigrationPlan
    connect: Callable[[], AbstractContextManager[Connection]]
    open_cipher: Callable[[MigratedTable], RowCipher]
    pacing: Pacing
    duty: float = DEFAULT_DUTY
    free: int | None = None
    ask_free: Callable[[], int | None] = lambda: None

    @property
    def name(self) -> str:
        """Return the name of the migration."""
        return self.plan.migration

    @property
    def document(self) -> dict[str, Any]:
        """Return the plan, as the database stores it."""
        return self.plan.model_dump(mode="json")

    @contextmanager
    def lock(self) -> Iterator[Connection]:
        """Yield a connection while no other command may change the migration's stage.

        It raises MigrationBusy if another command does now, and does not wait.
        """
        with self.connect() as connection:
            session_check.check(connection, self.connect)
            if not _scalar(connection, _LOCK, self.name):
                raise MigrationBusy(
                    f"migration {self.name}: another command changes its stage now; look at its"
                    " status, and repeat the command"
                )
            try:
                yield connection
            finally:
                if not connection.broken:
                    connection.execute(_UNLOCK, (self.name,))

    def read_table(self, connection: Connection) -> LiveTable:
        """Return the table as the database has it."""
        return live_table.read(connection, *plans.split_table(self.plan))

    def read_unchanged_table(self, connection: Connection) -> LiveTable:
        """Return the table, if no column was renamed or changed since the migration began."""
        state, live = self.read_state(connection), self.read_table(connection)
        if state is None or not state.stage.is_before(Stage.NULLED):
            return live
        if changes := list(live_checks.find_changes(self.plan, live)):
            raise ConfigurationError(
                f"migration {self.name}: it is {state.stage}, and the table changed:"
                f" {'; '.join(changes)}; change it back, and repeat the command"
            )
        return live

    def read_dependents(self, connection: Connection) -> list[Dependent]:
        """Return what depends on the old columns, or reacts to a change of their table."""
        return inventory.read(connection, *plans.split_table(self.plan), self.plan.old_columns)

    def find_refused(self, connection: Connection, live: LiveTable) -> list[str]:
        """Return why no pass may run on the table *live* now, for what depends on old columns."""
        found, name = self.read_dependents(connection), Identifier(*plans.split_table(self.plan))
        clashing = dependent_rules.find_clashing(connection, name, live, found)
        return list(dependent_rules.find_refused(found, clashing))

    def check_dependents(self, connection: Connection) -> None:
        """Check that a pass harms nothing else, and leaves no copy of what it removes."""
        if refused := self.find_refused(connection, self.read_table(connection)):
            raise DependentRefused(
                f"migration {self.name}: {'; '.join(refused)}; then repeat the command"
            )

    def read_state(self, connection: Connection) -> State | None:
        """Return the state of the migration, None if it was not begun."""
        state = state_table.read(connection, self.name) if state_table.exist(connection) else None
        if state is not None:
            self._check_plan(state)
        return state

    def find_stage(self) -> Stage | None:
        """Return the stage of the migration, None if it was not begun. See :meth:`read_state`."""
        with self.connect() as connection:
            state = self.read_state(connection)
        return None if state is None else state.stage

    def require_state(self, connection: Connection) -> State:
        """Return the state of the migration."""
        state = self.read_state(connection)
        if state is None:
            raise MigrationMissing(
                f"migration {self.name}: this database has none of that name: it was not begun, or"
                " was undone; check the name, or begin with strongroom migrate run"
            )
        return state

    def require_stage(self, connection: Connection, stage: Stage) -> State:
        """Return the state of the migration, which is in *stage*."""
        state = self.require_state(connection)
        if state.stage is not stage:
            raise state_table.MigrationMoved(
                f"migration {self.name}: it is not {stage} any more; look at its state"
            )
        return state

    def read_time(self, connection: Connection) -> datetime:
        """Return the time on the server's clock."""
        now: datetime = _scalar(connection, "SELECT clock_timestamp()")
        return now

    def _check_plan(self, state: State) -> None:
        now = self.document
        names = {*now, *state.plan} - _CHANGEABLE
        changed = sorted(name for name in names if now.get(name) != state.plan.get(name))
        if changed:
            raise ConfigurationError(
                f"migration {self.name}: {', '.join(changed)} of the plan changed since it was"
                " begun; restore the plan, or undo the migration first"
            )


def _scalar(connection: Connection, query: LiteralString, *values: object) -> Any:
    row = connection.execute(query, values).fetchone()
    return None if row is None else row[0]
