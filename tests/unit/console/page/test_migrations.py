"""View of migrations: their passes, and the workers of all machines."""

from __future__ import annotations

from pathlib import Path

from console.page.application import build_application
from console.page.sources.sources import MigrationState, Options, open_sources
from console.page.views.migrations import build_passes, build_workers
from console.target.target import open_target
from migration.passes.ranges import PassProgress
from migration.passes.work_reports import Rest, WorkReport
from migration.status import Status
from tests.support.page_client import PageClient
from tests.support.table_cells import column
from tests.unit.console.page.test_application import ENVIRONMENT, NOW, refuse, run_now
from vault.declare.schema.migration import MigrationPlan

PLAN = MigrationPlan.model_validate(
    {
        "migration": "users",
        "service": "shop",
        "table": "users",
        "columns": {"email": {"field": "users.email"}},
    }
)
REST = Rest(
    72_000.0,
    [
        WorkReport("one/1", 1000.0, 10.0, 90.0, 0.1, None),
        WorkReport("two/1", 1000.0, 10.0, 90.0, 0.1, "the file <hold> exists"),
    ],
)
RUNNING = MigrationState(
    PLAN, Status(None, "backfill 1", PassProgress(5, 4, 28_000, 3), REST, (), ())
)
IDLE = MigrationState(PLAN, Status(None, None, PassProgress(0, 0, 0, 0), Rest(0.0), (), ()))


def test_pass_tells_its_rate_and_the_time_left() -> None:
    table = build_passes([RUNNING, IDLE])
    assert column(table, "Rows/s") == [10, None]
    assert column(table, "Time left") == ["2 h", None]
    assert column(table, "Rows left") == [72_000, None]
    assert [str(each) for each in column(table, "Pass")] == ["backfill 1", "no pass"]


def test_workers_tell_their_duty_or_what_holds_them() -> None:
    table = build_workers([RUNNING, IDLE])
    assert column(table, "Duty now") == ["10%", "10%"]
    assert [str(each) for each in column(table, "State")] == [
        "works",
        "held: the file <hold> exists",
    ]


def test_view_shows_both_and_escapes_what_workers_say(tmp_path: Path) -> None:
    target = open_target(ENVIRONMENT, tmp_path)
    options = Options([target], (), None, refuse, None, lambda _: (RUNNING,))
    with open_sources(options, lambda: NOW, run_now) as sources:
        client = PageClient(build_application(sources, lambda: NOW), "http://127.0.0.1:1")
        text = client.get("/migrations").text
    assert "Workers of all machines" in text
    assert "the file &lt;hold&gt; exists" in text
