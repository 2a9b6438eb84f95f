"""The guard as the database has it, to find whether somebody changed it since it was installed.

The owner of the table may switch triggers off. So what the guard found counts only if it is as it
was installed, at the time when reads are switched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection

from migration.guard.triggers import SCHEMA, TRIGGERS, function_names
from migration.migrated_table import MigratedTable

_TRIGGERS: Final[LiteralString] = """
    SELECT tree.relation::regclass::text, wanted.name, pg_get_triggerdef(found.oid),
        found.tgenabled
    FROM (
        SELECT format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass AS relation
        UNION
        SELECT relid FROM pg_partition_tree(format('%%I.%%I', %(schema)s::text, %(table)s::text))
    ) AS tree
    CROSS JOIN unnest(%(names)s::text[]) AS wanted (name)
    LEFT JOIN pg_trigger AS found ON found.tgrelid = tree.relation AND found.tgname = wanted.name
    ORDER BY 1, 2
"""
_FUNCTIONS: Final[LiteralString] = """
    SELECT proname, pg_get_functiondef(oid), proowner::regrole::text FROM pg_proc
    WHERE pronamespace = to_regnamespace(%s) AND proname = ANY (%s)
"""
_ALWAYS: Final = "A"  # in pg_trigger.tgenabled


@dataclass(frozen=True, slots=True)
class Definition:
    """What the database has of a guard.

    Attributes:
        triggers: By table or partition, and name of the trigger: its event, condition and function.
            It is empty if there is no such trigger, or it does not fire for each writer.
        functions: By name: text and owner.

    """

    triggers: dict[tuple[str, str], str]
    functions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        triggers = [[*place, text] for place, text in sorted(self.triggers.items())]
        return {"triggers": triggers, "functions": self.functions}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Definition:
        """Return what :meth:`to_json` returned as *data*."""
        triggers = {(relation, name): text for relation, name, text in data["triggers"]}
        return cls(triggers, data["functions"])


def read(connection: Connection, table: MigratedTable, migration: str) -> Definition:
    """Return the guard of *table* as it is now.

    Raises:
        psycopg.Error: If the server rejects a query.

    """
    names = {"schema": table.schema, "table": table.name, "names": list(TRIGGERS)}
    triggers = {
        (relation, name): _without_table(text) if state == _ALWAYS else ""
        for relation, name, text, state in connection.execute(_TRIGGERS, names)
    }
    found = connection.execute(_FUNCTIONS, (SCHEMA, list(function_names(migration))))
    return Definition(triggers, {name: f"{owner}: {text}" for name, text, owner in found})


def find_changes(installed: Definition, now: Definition) -> Iterator[str]:
    """Yield each trigger and function that is not as it was installed.

    A partition may be newer than the guard. PostgreSQL gives it the triggers of its table.
    """
    conditions = {name: text for (_, name), text in installed.triggers.items()}
    for (relation, name), text in now.triggers.items():
        if text != conditions[name]:
            yield f"trigger {name} on {relation} {'was changed' if text else 'is off or missing'}"
    for name, text in installed.functions.items():
        if now.functions.get(name) != text:
            yield f"function {name} {'was changed' if name in now.functions else 'is missing'}"


def _without_table(text: str) -> str:
    """Return the text of a trigger without the name of its table, which differs by partition."""
    return re.sub(r" ON .*? FOR EACH ROW ", " FOR EACH ROW ", text, count=1, flags=re.DOTALL)
