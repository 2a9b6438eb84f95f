"""The guard as the database has it, to find whether it was changed since it was installed.

The owner of the table may switch triggers off. So what the guard found counts only if it is as it
was installed, at the time when reads are switched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection

from migration.guard.triggers import (
    SCHEMA,
    function_names,
    hash_function_names,
    trigger_names,
)
from migration.table.migrated_table import MigratedTable

# With the schema always, because else the names would depend on the session.
_TRIGGERS: Final[LiteralString] = """
    SELECT format('%%I.%%I', n.nspname, c.relname), wanted.name, pg_get_triggerdef(found.oid),
        found.tgenabled, found.xmin::text
    FROM (
        SELECT format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass AS relation
        UNION
        SELECT relid FROM pg_partition_tree(format('%%I.%%I', %(schema)s::text, %(table)s::text))
    ) AS tree
    JOIN pg_class AS c ON c.oid = tree.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN unnest(%(names)s::text[]) AS wanted (name)
    LEFT JOIN pg_trigger AS found ON found.tgrelid = tree.relation AND found.tgname = wanted.name
    ORDER BY 1, 2
"""
_FUNCTIONS: Final[LiteralString] = """
    SELECT proname, pg_get_functiondef(oid), proowner::regrole::text, xmin::text FROM pg_proc
    WHERE pronamespace = to_regnamespace(%(schema)s) AND proname = ANY (%(names)s)
"""
_ALWAYS: Final = "A"  # in pg_trigger.tgenabled


@dataclass(frozen=True, slots=True)
class Definition:
    """What the database has of a guard.

    The text of a trigger is empty if it does not fire for each writer. Its version is the
    transaction that wrote it last, and changes if it is switched off and on again.
    """

    triggers: dict[tuple[str, str], str]
    functions: dict[str, str]
    versions: dict[tuple[str, str], str]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        triggers = [[*place, text] for place, text in sorted(self.triggers.items())]
        versions = [[*place, text] for place, text in sorted(self.versions.items())]
        return {"triggers": triggers, "functions": self.functions, "versions": versions}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Definition:
        """Return what :meth:`to_json` returned as *data*."""
        triggers, versions = (
            {(relation, name): text for relation, name, text in data[part]}
            for part in ("triggers", "versions")
        )
        return cls(triggers, data["functions"], versions)


def read(connection: Connection, table: MigratedTable, migration: str) -> Definition:
    """Return the guard of *table* as it is now."""
    names = {"schema": table.schema, "table": table.name, "names": list(trigger_names(table))}
    called = (*function_names(migration), *hash_function_names(table, migration))
    functions = {"schema": SCHEMA, "names": list(called)}
    found = connection.execute(_TRIGGERS, names).fetchall()
    bodies = connection.execute(_FUNCTIONS, functions).fetchall()
    return Definition(
        {
            (relation, name): _without_table(text) if state == _ALWAYS else ""
            for relation, name, text, state, _ in found
        },
        {name: f"{owner}: {text}" for name, text, owner, _ in bodies},
        {
            **{(relation, name): version or "" for relation, name, _, _, version in found},
            **{("", name): version for name, _, _, version in bodies},
        },
    )


def find_changes(installed: Definition, now: Definition) -> Iterator[str]:
    """Yield each trigger and function that is not as it was installed.

    A partition may be newer than the guard. PostgreSQL gives it the triggers of its table.
    """
    conditions = {name: text for (_, name), text in installed.triggers.items()}
    for (relation, name), text in now.triggers.items():
        before = installed.versions.get((relation, name))
        if not text:
            yield f"trigger {name} on {relation} is off or missing"
        elif text != conditions[name]:
            yield f"trigger {name} on {relation} was changed"
        elif before not in (None, now.versions[relation, name]):
            yield f"trigger {name} on {relation} was switched off or replaced since"
    for name, text in installed.functions.items():
        if name not in now.functions:
            yield f"function {name} is missing"
        elif (text, installed.versions["", name]) != (now.functions[name], now.versions["", name]):
            yield f"function {name} was changed"


def _without_table(text: str) -> str:
    """Return the text of a trigger without the name of its table, which differs by partition."""
    return re.sub(r" ON .*? FOR EACH ROW ", " FOR EACH ROW ", text, count=1, flags=re.DOTALL)
