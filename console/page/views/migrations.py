"""View of migrations: how far the pass of each is, how fast, and who works on it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.sources.sources import MigrationState
from console.views.cells import GOOD, WARN, Badge, Cell, Note
from console.views.table import Table, columns
from migration.forecast.outlook import render_time

_PASSES = columns(
    "name Migration, state Stage, text Pass, number Rows, number Rows left, number Rows/s, "
    "text Time left, number Wrong"
)
_WORKERS = columns("name Worker, text Migration, state State, number Rows/s, text Duty now")


def build_passes(found: Sequence[MigrationState]) -> Table:
    """Return the migrations, with the pass that is under way."""
    rows: list[tuple[Cell, ...]] = []
    for each in found:
        state, rest = each.status.state, each.status.rest
        stage = "not begun" if state is None else f"{state.stage}"
        is_paused = state is not None and state.is_paused
        badge = Badge(f"{stage}, paused" if is_paused else stage, WARN if is_paused else GOOD)
        if each.status.running is None:
            rows.append((each.plan.migration, badge, Note("no pass"), *[None] * 5))
            continue
        left = Note("unknown") if rest.seconds is None else render_time(rest.seconds)
        counts = each.status.progress.rows, round(rest.rows), round(rest.rate), left
        wrong = each.status.progress.wrong
        rows.append((each.plan.migration, badge, each.status.running, *counts, wrong))
    return Table("Migrations", _PASSES, rows)


def build_workers(found: Sequence[MigrationState]) -> Table:
    """Return the workers of all machines."""
    rows = [
        (
            *(worker.worker, each.plan.migration),
            Badge("works", GOOD) if worker.held is None else Badge(f"held: {worker.held}", WARN),
            *(round(worker.rate), f"{worker.duty:.0%}"),
        )
        for each in found
        for worker in each.status.rest.workers
    ]
    return Table("Workers", _WORKERS, rows)


def show_migrations(request: PageRequest) -> Response:
    """Return the view of one environment."""
    environment = request.environment()
    source = environment.migrations
    if source is not None:
        request.use(source)
    found = None if source is None else source.get().value
    return request.render(
        "migrations.html.j2",
        "Migrations",
        environment=environment,
        is_named=source is not None,
        is_read=found is not None,
        passes=build_passes(found or ()),
        workers=build_workers(found or ()),
        command=environment.commands.show_migrations(),
    )
