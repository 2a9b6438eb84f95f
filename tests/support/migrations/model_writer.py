"""Writer of rows as an application after the switch writes them, with a model of what it wrote."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from psycopg import Connection

from tests.support.migrations import typed_site
from tests.support.migrations.typed_site import Key, TypedSite
from tests.support.migrations.typed_values import COLUMNS, choose_value

_WRITES: Final = 60  # of each writer, at least
_MOVED: Final = 100_000  # added to a key; the rest by the number of partitions stays


class Phase(Enum):
    """What the application does with plaintext: it writes it, or makes it NULL."""

    SWITCHED = "switched"
    NULLING = "nulling"


class ModelWriter:
    """A writer that alone changes its rows, beside passes that may change them as well."""

    def __init__(
        self, site: TypedSite, phase: Phase, rows: Mapping[Key, Mapping[str, Any]], seed: int
    ) -> None:
        self.rows = {key: dict(values) for key, values in rows.items()}
        self._site = site
        self._phase = phase
        self._choose = random.Random(seed)  # noqa: S311 (which rows and values, not keys)

    def run(self, stopped: threading.Event) -> int:
        """Write at random until *stopped*, and return the number of writes."""
        writes = 0
        with self._site.connect() as connection:
            while not stopped.is_set() or writes < _WRITES:
                key = self._choose.choice(list(self.rows))
                action = self._choose.choice((self._change, self._touch, self._replace, self._move))
                action(connection, key)
                writes += 1
        return writes

    def _change(self, connection: Connection, key: Key) -> None:
        names = self._choose.sample(list(COLUMNS), 3)
        values = {name: choose_value(name, self._choose) for name in names}
        assert typed_site.update(connection, key, self._written(key, values)) == 1
        self.rows[key].update(values)

    def _touch(self, connection: Connection, key: Key) -> None:
        assert typed_site.update(connection, key, {"calls": self._choose.randrange(99)}) == 1

    def _replace(self, connection: Connection, key: Key) -> None:
        """Delete a row and insert it again with other values, in one transaction."""
        values = {name: choose_value(name, self._choose) for name in COLUMNS}
        with connection.transaction():
            connection.execute("DELETE FROM travellers WHERE (id, branch) = (%s, %s)", key)
            typed_site.insert(connection, key, self._written(key, values))
        self.rows[key] = values

    def _move(self, connection: Connection, key: Key) -> None:
        """Change the key, to which all tokens are bound."""
        moved, values = (key[0] + _MOVED, key[1]), self.rows.pop(key)
        written = {"id": moved[0], **self._written(moved, values)}
        assert typed_site.update(connection, key, written) == 1
        self.rows[moved] = values

    def _written(self, key: Key, values: Mapping[str, Any]) -> dict[str, Any]:
        is_kept = self._phase is Phase.SWITCHED
        plaintext = values if is_kept else dict.fromkeys(values)
        return {**plaintext, **self._site.encrypted(key, values)}
