"""Triggers of the table itself, which the passes of a migration may fire.

A trigger that copies rows, such as one of an audit log, copies their plaintext where no migration
looks for it. So passes run as a replica where that is granted, also while there is none, and what
fires then needs consent. Each batch looks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import class_row

from app_integration.errors import ConfigurationError
from migration.stage import Stage
from migration.table.migrated_table import MigratedTable
from vault.declare.errors import join_names
from vault.declare.schema.migration import TriggerConsent

#: Only triggers that are ENABLE ALWAYS or ENABLE REPLICA fire under it, and of the database's own
#: triggers, which check foreign keys, none. It ends with the transaction.
AS_REPLICA: Final[LiteralString] = "SET LOCAL session_replication_role = replica"
_ORIGIN: Final = "O"  # in pg_trigger.tgenabled: it does not fire as replica
_FIRED_AS_REPLICA: Final = frozenset("RA")
_FIRED_ELSE: Final = frozenset("OA")

#: A partition has a copy of each trigger of its table, which counts if it is enabled otherwise.
_TRIGGERS: Final[LiteralString] = """
    WITH target AS (SELECT format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass AS oid)
    SELECT t.tgname::text AS name, t.tgrelid::regclass::text AS relation,
        CASE WHEN t.tgtype & 2 = 2 THEN 'BEFORE' ELSE 'AFTER' END AS timing,
        ARRAY(
            SELECT attname::text FROM pg_attribute
            WHERE attrelid = t.tgrelid AND attnum = ANY (t.tgattr::smallint[]) ORDER BY attnum
        ) AS columns,
        t.tgfoid::regprocedure::text AS function, t.tgenabled::text AS enabled,
        t.tgtype & 1 = 1 AS is_of_rows
    FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid, target
    WHERE NOT t.tgisinternal AND t.tgtype & 16 = 16
        AND p.pronamespace IS DISTINCT FROM to_regnamespace('strongroom_migration') AND (
        t.tgrelid = target.oid OR t.tgtype & 1 = 1 AND t.tgrelid IN (
            SELECT relid FROM pg_partition_tree(target.oid)
        ) AND NOT EXISTS (
            SELECT FROM pg_trigger AS o WHERE o.oid = t.tgparentid AND o.tgenabled = t.tgenabled
        )
    )
    ORDER BY 1, 2
"""
#: Constraints that the database checks by triggers, which do not fire as replica. Foreign keys are
#: refused anyhow.
_CHECKED: Final[LiteralString] = """
    WITH target AS (SELECT format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass AS oid)
    SELECT format('%%s of %%s', c.conname, c.conrelid::regclass)
    FROM pg_constraint AS c, target
    WHERE (c.conrelid = target.oid OR c.conrelid IN (
            SELECT relid FROM pg_partition_tree(target.oid)
        )) AND c.conparentid = 0 AND c.condeferrable AND c.contype <> 'f' AND c.conkey && (
            SELECT array_agg(attnum) FROM pg_attribute
            WHERE attrelid = c.conrelid AND attname = ANY (%(columns)s)
        )
    ORDER BY 1
"""


class TriggersFire(ConfigurationError):
    """A pass would fire triggers without consent. Nothing of its last batch was written."""


@dataclass(frozen=True, slots=True)
class TableTrigger:
    """A trigger on updates of the table, or of a partition."""

    name: str
    relation: str
    timing: str
    columns: list[str]
    function: str
    enabled: str
    is_of_rows: bool

    def __str__(self) -> str:
        """Return its name with its table and what it calls."""
        columns = f" OF {', '.join(self.columns)}" if self.columns else ""
        return f"{self.name} of {self.relation} ({self.timing} UPDATE{columns}, {self.function})"


@dataclass(frozen=True, slots=True)
class Firing:
    """What the passes of a migration fire."""

    table: MigratedTable
    as_replica: bool
    triggers: tuple[TableTrigger, ...]
    checked: tuple[str, ...]

    @property
    def fired(self) -> tuple[TableTrigger, ...]:
        """Return the triggers that fire."""
        states = _FIRED_AS_REPLICA if self.as_replica else _FIRED_ELSE
        return tuple(each for each in self.triggers if each.enabled in states)

    def lines(self) -> Iterator[str]:
        """Yield a line about each trigger, for a person."""
        fired = self.fired
        for each in self.triggers:
            yield f"{each} {self._describe(each) if each in fired else _silent(each)}"

    def find_problems(self, consent: TriggerConsent) -> Iterator[str]:
        """Yield why no pass may begin, with what to do."""
        if self.as_replica and self.checked:
            # Without triggers, it came during a pass, and the next one checks it.
            remedy = "drop it, or drop the triggers" if self.triggers else "repeat the command"
            because = f" because of {join_names(map(str, self.triggers))}" if self.triggers else ""
            yield (
                f"passes run as replica{because}, so that {join_names(self.checked)} would not be"
                f" checked; {remedy}"
            )
        if self.fired and consent == "refuse":
            can_be_silent = any(each.enabled == _ORIGIN for each in self.fired)
            remedy = f"{_GRANT}, or " if can_be_silent else ""
            lines = "; ".join(f"{each} {self._describe(each)}" for each in self.fired)
            yield (
                f"passes would fire triggers: {lines}. {remedy}declare triggers: fire in the plan"
                " if that may be"
            )

    def require(self, consent: TriggerConsent) -> None:
        """Check that passes may fire what they fire."""
        if problems := list(self.find_problems(consent)):
            raise TriggersFire(f"{self.table.schema}.{self.table.name}: {'; '.join(problems)}")

    def _describe(self, trigger: TableTrigger) -> str:
        """Return when *trigger* fires, and what it sees."""
        writes_new = not trigger.columns or {*trigger.columns} & {*self.table.written}
        first = Stage.BACKFILLED if writes_new else Stage.NULLED
        seen = f"{self.table.old_values} of {', '.join(self.table.migrated)}"
        if not trigger.is_of_rows:
            return f"fires for each batch of a pass, from {first} on, and may read {seen}"
        return f"fires for each row that a pass writes, from {first} on, and sees its {seen}"


_GRANT: Final = (
    "Let an administrator GRANT SET ON PARAMETER session_replication_role TO this user, from"
    " PostgreSQL 15 on, so that passes run as replica"
)


def read(connection: Connection, table: MigratedTable) -> Firing:
    """Return what passes over *table* fire."""
    firing = look(connection, Firing(table, _may_be_replica(connection), (), ()))
    if firing.checked and all(each.enabled != _ORIGIN for each in firing.triggers):
        # Nothing would be gained, and these would not be checked.
        return replace(firing, as_replica=False)
    return firing


def look(connection: Connection, firing: Firing) -> Firing:
    """Return what passes fire now that run as *firing* says, as a batch can look each time."""
    table = firing.table
    names = {"schema": table.schema, "table": table.name, "columns": list(table.old_columns)}
    written = {*table.written, *table.old_columns}
    with connection.cursor(row_factory=class_row(TableTrigger)) as cursor:
        found = tuple(
            each
            for each in cursor.execute(_TRIGGERS, names)
            if each.enabled != "D" and (not each.columns or written & {*each.columns})
        )
    checked = tuple(name for (name,) in connection.execute(_CHECKED, names))
    return replace(firing, triggers=found, checked=checked)


def require(connection: Connection, table: MigratedTable, consent: TriggerConsent) -> Firing:
    """Return what passes over *table* fire, if they may. See :meth:`Firing.require`."""
    firing = read(connection, table)
    firing.require(consent)
    return firing


def _may_be_replica(connection: Connection) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(AS_REPLICA)
    except InsufficientPrivilege:
        return False
    return True


def _silent(trigger: TableTrigger) -> str:
    if trigger.enabled == _ORIGIN:
        return "does not fire: passes run as replica"
    return "does not fire: it is for replicas"
