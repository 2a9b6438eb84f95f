"""Forecast of a migration: what its stages do and take, and whether there is room for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from psycopg import Connection

from app_integration.errors import ConfigurationError
from migration import plan as plans
from migration.forecast import bound_columns, disk_space, estimate, outlook, sample
from migration.forecast.bound_columns import BoundColumn
from migration.forecast.disk_space import Room, Verdict
from migration.forecast.estimate import Estimator, Speed
from migration.forecast.outlook import Outlook
from migration.forecast.sample import Plaintexts, Sample
from migration.migration_context import MigrationContext
from migration.stage import Stage
from migration.table import table_triggers
from migration.table.live_checks import find_problems
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable
from migration.table.table_triggers import Firing
from vault.declare.schema.migrated_field import OldEncryption
from vault.declare.schema.migration import MigrationPlan


class PlanRefused(ConfigurationError):
    """The plan does not fit the table. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of a migration."""

    outlook: Outlook
    firing: Firing
    before_switch: Verdict
    nulling: Verdict
    bound: list[BoundColumn]


def check_plan(context: MigrationContext, connection: Connection, live: LiveTable) -> None:
    """Check that a migration can begin on the table *live*, and harms nothing beside it."""
    problems = [*find_problems(context.plan, live), *context.find_refused(connection, live)]
    if not problems:
        bound = bound_columns.read(connection, plans.to_table(context.plan, live))
        problems = [problem for each in bound for problem in each.find_problems()]
    if problems:
        raise PlanRefused(f"migration {context.name}: {'; '.join(problems)}")


def read(context: MigrationContext, connection: Connection) -> Forecast:
    """Return the forecast of a migration that has its old columns."""
    state = context.read_state(connection)
    if state is not None and state.stage is Stage.DROPPED:
        raise ConfigurationError(
            f"migration {context.name}: it is {state.stage}, so that no stage is left to forecast;"
            " run strongroom migrate status to see when each was entered"
        )
    live = context.read_unchanged_table(connection)
    table = plans.to_table(context.plan, live)
    found = _without_old_tokens(context.plan, sample.read(connection, table, live))
    estimator = Estimator(
        table, found, Speed(duty=context.duty), has_data_keys=context.plan.data_keys is not None
    )
    dependents = context.read_dependents(connection)
    stages = outlook.build(table, live, found, estimator, dependents, context.plan)
    kept = found.checkpoints.size
    free = _read_room(context, connection, table)
    return Forecast(
        stages,
        table_triggers.read(connection, table),
        disk_space.decide("all before the switch", estimator.before_switch(), kept, free),
        disk_space.decide(f"the removal of {table.old_values}", estimator.nulling(), kept, free),
        bound_columns.read(connection, table),
    )


def _read_room(context: MigrationContext, connection: Connection, table: MigratedTable) -> Room:
    """Return the room that a person named, or that is measured, or that a person names now."""
    if context.free is not None:
        return Room(context.free, context.free)
    room = disk_space.read(connection, table)
    if room.files is None and (free := context.ask_free()) is not None:
        return Room(free, free)
    return room


def _without_old_tokens(plan: MigrationPlan, found: Sample) -> Sample:
    """Return *found* with the sizes of values, and not of the old tokens that have them."""
    values = {
        name: _without_old_token(each, plan.columns[name].encrypted)
        for name, each in found.plaintexts.items()
    }
    return replace(found, plaintexts=values)


def _without_old_token(column: Plaintexts, old: OldEncryption | None) -> Plaintexts:
    if old is None:
        return column
    size = estimate.value_size(column.size, has_data_keys=old.data_keys is not None)
    return replace(column, size=size)


def require_room(verdict: Verdict) -> None:
    """Check that there is room. What is unknown is no room."""
    if not verdict.is_enough:
        raise ConfigurationError(verdict.text)
