"""Printed state of a migration, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from migration.copies import Copies
from migration.course import Waiting
from migration.forecast.forecast import Forecast
from migration.forecast.outlook import render_time
from migration.guard.recorded_writes import BypassingWriter
from migration.passes.work_reports import Rest, WorkReport
from migration.stage import Stage
from migration.status import Status
from vault.declare.schema.migration import MigrationPlan

#: What a stage means, and what to do in it; ``{old}`` and ``{new}`` stand for what the old and the
#: new columns have.
_STAGES: Final = {
    Stage.GUARDED: (
        "new columns and guard are there. Deploy the version that writes {old} and {new}"
        " (phase dual-writing)"
    ),
    Stage.DUAL_WRITING: "the guard refuses a change of {old} that brings no {one}",
    Stage.BACKFILLED: "each row has its {new}",
    Stage.VERIFIED: "each row was decrypted, and its {old} and {new} have the same values",
    Stage.INDEXED: "reads can be switched, which the command does without --postpone",
    Stage.SWITCHED: (
        "deploy the version that reads {new} (phase switched), then the one that removes"
        " {old} as it writes (phase nulling); then run the command with --null"
    ),
    Stage.NULLED: (
        "no row of the table has {old}, and it accepts none. Deploy the version without the old"
        " columns; then run the command with --drop"
    ),
    Stage.DROPPED: "the old columns are gone, and no stage is left",
}


def entered(plan: MigrationPlan, stage: Stage) -> str:
    """Return the line about a stage of *plan* that was entered."""
    text = _STAGES[stage].format(old=plan.old_values, new=plan.new_values, one=plan.new_value)
    return f"{stage}: {text}."


def waits(
    plan: MigrationPlan, waiting: Waiting, writers: Iterable[BypassingWriter]
) -> Iterator[str]:
    """Yield the lines about a migration of *plan* that does not go on now."""
    yield (
        f"It waits until {_time(waiting.until)} for a time without a writer that brings no"
        f" {plan.new_value}."
    )
    yield from (_writer(plan, each) for each in writers)


def backups_left(plan: MigrationPlan, dropped: datetime) -> str:
    """Return the line about backups that have what was dropped."""
    line = f"Backups and logs of the database from before {_time(dropped)} have the"
    line = f"{line} {plan.old_values}"
    if plan.backups_kept_for is None:
        return f"{line}; delete them, or declare backups_kept_for in the plan."
    return f"{line}, until {_time(dropped + timedelta(seconds=plan.backups_kept_for))}."


def copies_lines(plan: MigrationPlan, copies: Copies) -> Iterator[str]:
    """Yield the lines about the rest of the database, after old values were taken away."""
    if copies.found:
        yield (
            f"Searched {', '.join(copies.found)}, which triggers of {plan.table} may write, for"
            f" {copies.values} values of columns of text."
        )
    for name, rows in copies.found.items():
        if rows:
            yield f"  {name}: {rows} rows may have such values. Look at them, and remove them."
    for each in copies.unsearched:
        yield f"  Not looked at: {each}."
    yield (
        "  Not looked at: values that are no text or are short, or have another form there, such as"
        " hashes; what no function of a trigger names; other databases, replicas, logs and backups."
    )


def step_text(text: str, plan: MigrationPlan) -> str:
    """Return a text of a step back, with what the columns of *plan* have."""
    return text.format(old=plan.old_values, new=plan.new_values)


def nulling_question(plan: MigrationPlan) -> str:
    """Return what a person confirms before old values are taken away."""
    return (
        f"Does each instance of the application write no {', '.join(plan.old_columns)} of "
        f"{plan.table} any more, and may their values be removed?"
    )


def dropping_question(plan: MigrationPlan, lost: Sequence[str]) -> str:
    """Return what a person confirms before old columns go, and with them what is *lost*."""
    also = f", and with them {', '.join(lost)}" if lost else ""
    columns = ", ".join(plan.old_columns)
    return f"Drop {columns} of {plan.table}{also}? There is no way back after it."


def plan_lines(plan: MigrationPlan, forecast: Forecast) -> Iterator[str]:
    """Yield the lines of the forecast of a migration of *plan*."""
    if plan.is_decrypting:
        yield f"{plan.exposure}."
    yield from forecast.outlook.lines()
    for each in forecast.bound:
        yield from each.lines()
    yield from forecast.firing.lines()
    for problem in forecast.firing.find_problems(plan.triggers):
        yield f"Refused until this is solved: {problem}."
    yield f"{forecast.before_switch.text}."
    yield f"{forecast.nulling.text}."


def plan_document(forecast: Forecast) -> dict[str, Any]:
    """Return the forecast of a migration as JSON."""
    return {
        **forecast.outlook.to_json(),
        "bound": [asdict(each) for each in forecast.bound],
        "triggers": list(forecast.firing.lines()),
        "room": {
            "before_switch": asdict(forecast.before_switch),
            "nulling": asdict(forecast.nulling),
        },
    }


def status_lines(plan: MigrationPlan, status: Status) -> Iterator[str]:
    """Yield the lines of the status of a migration."""
    state = status.state
    if state is None:
        yield f"{plan.migration}: not begun, or undone."
    else:
        yield f"{plan.migration}: {entered(plan, state.stage)} Since {_time(state.since)}."
        if state.is_paused:
            yield "Its workers are paused."
        if state.duty is not None:
            yield f"Each worker works for {state.duty:.0%} of its time at most."
        if state.stage is Stage.DROPPED:
            yield backups_left(plan, state.since)
    if status.running is not None:
        progress = status.progress
        done = progress.ranges - progress.left
        yield (
            f"Pass {status.running}: {done} of {progress.ranges} ranges, {progress.rows} rows,"
            f" {progress.wrong} wrong. {rest_text(status.rest)}."
        )
        for each in status.rest.workers:
            yield f"  {each.worker}: {_pace(each)}"
    yield from (_writer(plan, each) for each in status.writers)
    for event in status.events:
        yield f"  {_time(event.at)}  {event.event}  by {event.by}"


def document(plan: MigrationPlan, status: Status) -> dict[str, Any]:
    """Return the status of a migration as JSON, times in ISO 8601."""
    state = status.state
    return {
        "migration": plan.migration,
        "stage": None if state is None else state.stage,
        "since": None if state is None else state.since.isoformat(),
        "paused": state is not None and state.is_paused,
        "duty": None if state is None else state.duty,
        "pass": status.running
        and {"name": status.running, **asdict(status.progress), **status.rest.to_json()},
        "writers": [_with_times(asdict(each)) for each in status.writers],
        "events": [_with_times(asdict(each)) for each in status.events],
    }


def rest_text(rest: Rest) -> str:
    """Return how fast the workers of a pass are, and the time that is left."""
    if not rest.workers:
        return "No worker is on it"
    if rest.seconds is None:
        return "The time left is unknown while no worker has done a batch, or each is held"
    return f"{rest.rate:,.0f} rows/s, about {render_time(rest.seconds)} left"


def _pace(worker: WorkReport) -> str:
    if worker.held is not None:
        return f"held: {worker.held}"
    return f"{worker.rate:,.0f} rows/s, works {worker.duty:.0%} of its time now"


def _writer(plan: MigrationPlan, writer: BypassingWriter) -> str:
    brought = "plaintext" if plan.is_decrypting else "a token"
    application = writer.application or "without a name"
    return (
        f"  {writer.writer} ({application}): {writer.operation} without {brought},"
        f" {writer.writes} times, last at {_time(writer.last)}"
    )


def _with_times(data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in data.items()
    }


def _time(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")
