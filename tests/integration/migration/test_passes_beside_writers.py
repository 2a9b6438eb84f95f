"""Nulling and restoration beside writers of both phases: no value is lost or becomes older."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from psycopg import Connection

from migration.passes.ranges import Ranges
from migration.passes.renewing_pass import Nulling, RenewingPass, Restoration
from tests.support.migrations import typed_site
from tests.support.migrations.model_writer import ModelWriter, Phase
from tests.support.migrations.typed_site import MIGRATION, TRAVELLERS, Key, TypedSite

pytestmark = pytest.mark.requires("embedded")

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
