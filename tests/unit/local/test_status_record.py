"""Record that ``up`` writes for ``status``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.layout import Layout
from local.status_record import StatusRecord

RECORD = StatusRecord((("::1", 5432), ("db.example.com", 5433)), {"shop": "app.yaml"})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the paths of a deployment that was started."""
    layout = Layout(tmp_path)
    layout.runtime.write_text("embedded")
    RECORD.write(layout)
    return layout


def test_record_of_the_last_up_is_read_as_it_was_written(layout: Layout) -> None:
    assert StatusRecord.read(layout) == RECORD
    assert layout.status_record.stat().st_mode & 0o777 == 0o600


def test_record_before_an_up_that_failed_is_none(layout: Layout) -> None:
    later = layout.status_record.stat().st_mtime_ns + 1
    os.utime(layout.runtime, ns=(later, later))
    assert StatusRecord.read(layout) is None


@pytest.mark.parametrize("name", ["runtime", "status.json"])
def test_deployment_without_a_file_has_no_record(layout: Layout, name: str) -> None:
    (layout.root / name).unlink()
    assert StatusRecord.read(layout) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"own_databases": 1, "configs": {}}',
        '{"own_databases": [["a"]], "configs": {}}',
        '{"own_databases": [], "configs": []}',
        "[" * 100_000,
    ],
)
def test_damaged_record_is_none(layout: Layout, text: str) -> None:
    layout.status_record.write_text(text)
    assert StatusRecord.read(layout) is None
