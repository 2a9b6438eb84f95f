"""Nulling and restoration beside writers of both phases: no value is lost or becomes older."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any, Final

import pytest
from psycopg import Connection

from migration.passes.ranges import Ranges
from migration.passes.renewing_pass import Nulling, RenewingPass, Restoration
from tests.support.migrations import typed_site
from tests.support.migrations.typed_site import MIGRATION, TRAVELLERS, Key, TypedSite
from tests.support.migrations.typed_values import COLUMNS, choose_value

pytestmark = pytest.mark.requires("embedded")


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


_WRITERS: Final = 2
_PASSES: Final = ("first", "second")  # while writers write


@pytest.mark.parametrize("phase", Phase)
def test_nulling_beside_writers_loses_no_value(site: TypedSite, phase: Phase) -> None:
    with site.connect() as connection:
        site.backfill(connection)
        model = run_beside_writers(site, connection, Nulling, phase)
        assert site.decrypted(connection) == model
        assert index_values(connection) == expected_index_values(site, model)
        assert typed_site.plaintexts_left(connection) == 0


@pytest.mark.parametrize("phase", Phase)
def test_restoration_beside_writers_leaves_no_older_plaintext(
    site: TypedSite, phase: Phase
) -> None:
    with site.connect() as connection:
        site.backfill(connection)
        site.run(connection, Nulling, "null")
        model = run_beside_writers(site, connection, Restoration, phase)
        assert site.decrypted(connection) == model
        assert index_values(connection) == expected_index_values(site, model)
        rows = site.writer(connection).statements.read_range(
            connection, None, None, 2 * len(model), incomplete=False
        )
        assert len(rows) == len(model)
        assert site.cipher.find_mismatches(rows) == set()


def run_beside_writers(
    site: TypedSite, connection: Connection, kind: type[RenewingPass], phase: Phase
) -> dict[Key, dict[str, Any]]:
    """Run passes while writers write and one after them, and return the values of all rows."""
    stopped, rows = threading.Event(), site.decrypted(connection)
    writers = [
        ModelWriter(site, phase, dict(list(rows.items())[at::_WRITERS]), at)
        for at in range(_WRITERS)
    ]
    with ThreadPoolExecutor(_WRITERS + 2) as threads:
        writing = [threads.submit(each.run, stopped) for each in writers]
        try:
            for name in _PASSES:
                ranges = Ranges(MIGRATION, name)
                ranges.create(connection, TRAVELLERS, 60)
                workers = [threads.submit(work, site, kind, ranges) for _ in range(2)]
                for each in workers:
                    each.result(120)
                assert ranges.read_progress(connection).wrong == 0
        finally:
            stopped.set()
        for done in writing:
            assert done.result(120) > 0
    batches, progress = site.run(connection, kind, "last")
    assert (progress.wrong, sum(each.left for each in batches)) == (0, 0)
    return {key: values for each in writers for key, values in each.rows.items()}


def work(site: TypedSite, kind: type[RenewingPass], ranges: Ranges) -> None:
    """Run a worker until no range is left."""
    with site.connect() as connection:
        worker = kind(ranges, site.writer(connection), 20)
        while ranges.read_progress(connection).left:
            worker.run_batch(connection)


def index_values(connection: Connection) -> dict[Key, bytes | None]:
    found = connection.execute("SELECT id, branch, email_index FROM travellers")
    return {(number, branch): value for number, branch, value in found}


def expected_index_values(
    site: TypedSite, model: dict[Key, dict[str, Any]]
) -> dict[Key, bytes | None]:
    return {key: site.index.value(values["email"]) for key, values in model.items()}
