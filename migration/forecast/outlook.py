"""Outlook of a migration before it begins: what each stage does, locks and takes, and what ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from migration.forecast.estimate import Estimate, Estimator
from migration.forecast.sample import Sample
from migration.stage import Stage
from migration.table import dependent_rules
from migration.table.dependent_rules import Treatment
from migration.table.inventory import Dependent
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable
from vault.declare import durations, sizes
from vault.declare.schema.migration import MigrationPlan

_ALONE: Final = "ACCESS EXCLUSIVE"
_WRITES: Final = "ROW EXCLUSIVE"
_READS: Final = "ACCESS SHARE"
_MAINTAINS: Final = "SHARE UPDATE EXCLUSIVE"

_UNITS: Final = ((86_400, "days"), (3600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on the table."""

    mode: str
    held: str


#: The change of a definition; see :mod:`migration.table.table_lock`.
_DEFINITION: Final = Lock(_ALONE, "for milliseconds; queries wait 20 ms for each attempt at most")
_DECRYPTS: Final = (
    "each row without its plaintext is decrypted, so that its values are readable in the database,"
    " its log, its replicas and its backups"
)
_BATCH: Final = Lock(_WRITES, "for a batch; its rows are locked while they are written")


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of the migration."""

    stage: Stage
    what: str
    locks: tuple[Lock, ...] = ()
    estimate: Estimate | None = None

    def lines(self) -> Iterator[str]:
        """Yield the lines that a person reads."""
        yield f"{self.stage}: {self.what}"
        for lock in self.locks:
            yield f"  {lock.mode} {lock.held}"
        if not self.locks:
            yield "  no lock on the table"
        if self.estimate is not None:
            disk, log = sizes.render(self.estimate.files), sizes.render(self.estimate.wal)
            yield f"  disk {disk}, WAL {log} and about {render_time(self.estimate.seconds)}"

    def to_json(self) -> dict[str, Any]:
        """Return the step as JSON."""
        taken = self.estimate
        return {
            "stage": str(self.stage),
            "what": self.what,
            "locks": [asdict(each) for each in self.locks],
            "disk": None if taken is None else taken.files,
            "wal": None if taken is None else taken.wal,
            "seconds": None if taken is None else taken.seconds,
        }


@dataclass(frozen=True, slots=True)
class Outlook:
    """Outlook of a migration."""

    table: str
    rows: int
    size: int
    steps: tuple[Step, ...]
    dependents: tuple[Dependent, ...]

    def lines(self) -> Iterator[str]:
        """Yield the lines that a person reads."""
        yield f"{self.table}: about {self.rows} rows, {sizes.render(self.size)}"
        for step in self.steps:
            yield from step.lines()
        yield from self.column_lines()

    def column_lines(self) -> Iterator[str]:
        """Yield the lines about what depends on old columns, below those that do not change."""
        for each in self.dependents:
            rule = dependent_rules.RULES[each.kind]
            note = f"; {rule.note}" if rule.note else ""
            yield f"{each.described}: {rule.treatment}{note}"

    def to_json(self) -> dict[str, Any]:
        """Return the outlook as JSON."""
        return {
            "table": self.table,
            "rows": self.rows,
            "size": self.size,
            "stages": [each.to_json() for each in self.steps],
            "dependents": [
                {
                    "kind": each.kind,
                    "name": each.name,
                    "columns": each.columns,
                    **asdict(dependent_rules.RULES[each.kind]),
                }
                for each in self.dependents
            ],
        }


def build(
    table: MigratedTable,
    live: LiveTable,
    sample: Sample,
    estimator: Estimator,
    dependents: Sequence[Dependent],
    plan: MigrationPlan,
) -> Outlook:
    """Return the outlook of the migration of *table* by *plan*."""
    name = f"{table.schema}.{table.name}"
    steps = (
        *_first_steps(table, live, estimator, plan),
        *_last_steps(table, estimator, dependents),
    )
    return Outlook(name, sample.rows, live.size, steps, tuple(dependents))


def _first_steps(
    table: MigratedTable, live: LiveTable, estimator: Estimator, plan: MigrationPlan
) -> Iterator[Step]:
    """Yield the steps while the old columns are what applications read."""
    added = f"the columns {', '.join(table.added)} and the guard are added"
    yield Step(
        Stage.GUARDED, f"{added}; it queues writes that bring no {table.new_value}", (_DEFINITION,)
    )
    yield Step(
        Stage.DUAL_WRITING,
        f"the guard refuses writes that bring no {table.new_value}, after"
        f" {durations.render(plan.quiet_for)} without one",
    )
    yield Step(
        Stage.BACKFILLED,
        _DECRYPTS if table.is_decrypted else "each row without new tokens is encrypted",
        (_BATCH,),
        estimator.backfill(),
    )
    yield _verification_step(table, estimator, plan)
    yield _index_step(table, live, estimator)


def _verification_step(table: MigratedTable, estimator: Estimator, plan: MigrationPlan) -> Step:
    if plan.verifies_backfill:
        return Step(Stage.VERIFIED, "no row is read again, as each batch of the backfill was")
    lock = Lock(_READS, "for a batch; rows that are wrong are written again")
    return Step(Stage.VERIFIED, _comparison(table), (lock,), estimator.verification())


def _index_step(table: MigratedTable, live: LiveTable, estimator: Estimator) -> Step:
    if not table.indexes:
        return Step(Stage.INDEXED, "nothing is built, as there is no blind index")
    locks = [Lock(_MAINTAINS, "for the build; queries go on, vacuum and DDL wait")]
    if live.is_partitioned:
        locks.append(_DEFINITION)
    columns = ", ".join(each.column for each in table.indexes)
    what = f"a database index is built on {columns}, beside reads and writes"
    return Step(Stage.INDEXED, what, tuple(locks), estimator.index_build())


def _last_steps(
    table: MigratedTable, estimator: Estimator, dependents: Iterable[Dependent]
) -> Iterator[Step]:
    """Yield the steps that take the old columns away."""
    columns = ", ".join(table.old_columns)
    rules = dependent_rules.RULES
    lifted = [each.name for each in dependents if rules[each.kind].treatment is Treatment.LIFTED]
    also = f"; what is lifted: {', '.join(lifted)}" if lifted else ""
    yield Step(
        Stage.SWITCHED,
        f"applications read {table.new_values}, and go on writing {table.old_values}{also}",
        (_DEFINITION,) if lifted else (),
    )
    yield Step(
        Stage.NULLED,
        f"{_removal(table, columns)}; then a constraint keeps them NULL, and the planner's"
        " statistics are computed again",
        (_BATCH, _DEFINITION, Lock(_MAINTAINS, "for one scan that checks the constraint")),
        estimator.nulling(),
    )
    yield Step(
        Stage.DROPPED,
        f"{columns} and the guard are dropped, after which there is no way back",
        (_DEFINITION,),
    )


def _comparison(table: MigratedTable) -> str:
    if table.is_decrypted:
        return "each old token is decrypted and compared with its plaintext"
    return f"each new token is decrypted and compared with its {table.old_values}"


def _removal(table: MigratedTable, columns: str) -> str:
    if table.is_decrypted:
        return f"{columns} are set NULL where the row has its plaintext"
    return f"each new token is opened, and {columns} set NULL where it opens"


def render_time(seconds: float) -> str:
    """Return *seconds* in the largest unit that fits twice: ``90 min``."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
