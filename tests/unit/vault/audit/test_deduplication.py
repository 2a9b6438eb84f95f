"""Deduplication of lines of several devices."""

from pathlib import Path

from tests.support.models.audit_lines import line, write_store
from vault.audit.store import open_store

UUIDS = [f"00000000-0000-0000-0000-00000000000{number}" for number in range(3)]


def test_event_is_the_line_of_the_first_device_and_one_of_its_repeats(tmp_path: Path) -> None:
    requests = [line("/", id=UUIDS[0]), line("/", id=UUIDS[0]), line("/", id=UUIDS[1])]
    write_store(tmp_path, requests, device="b")
    write_store(tmp_path, [line("/", id=UUIDS[0]), line("/", id=UUIDS[2])], device="a")
    with open_store(tmp_path) as connection:
        found = connection.execute(
            "SELECT CAST(request_id AS VARCHAR), device FROM events ORDER BY 1"
        ).fetchall()
        lines = connection.execute("SELECT count(*), count(DISTINCT line) FROM lines").fetchall()
    assert found == [(UUIDS[0], "a"), (UUIDS[1], "b"), (UUIDS[2], "a")]
    assert lines == [(5, 5)]


def test_events_without_an_id_all_stay(tmp_path: Path) -> None:
    write_store(tmp_path, [line("/", id=None), line("/", id="not an id")])
    with open_store(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchall() == [(2,)]
