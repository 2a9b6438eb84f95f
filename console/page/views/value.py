"""View of one value's life: versions, rotations, readers by version, and what is to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app_integration.names import Scope
from console.options import DEFAULT_SINCE
from console.page.copied_commands import FOLDER, Commands
from console.page.page_request import PageRequest
from console.page.sources.audit_activity import Activity
from console.page.sources.sources import EnvironmentSources
from console.page.sources.value_history import ValueHistory
from console.page.urls import JOBS, build_url
from console.page.views.due import Due, find_due
from console.page.views.reads_filter import ReadsFilter
from console.page.views.value_list import build_value_table
from console.page.views.value_versions import (
    build_life,
    build_readers,
    build_reads_chart,
    find_newest,
)
from console.views.cells import Cell, Link
from console.views.charts import HEIGHT
from console.views.times import show_distance
from vault.audit.report.timeline import find_version_timeline
from vault.audit.report.version_reads import find_last_versions
from vault.declare.schema.secret_sources import Given
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import Row
from vault.rotation.record import Record, Step
from vault.rotation.server_versions import VERSIONED, VersionState

#: Kinds whose reads the log has under their names.
_READ: Final = frozenset({Kind.SECRET, Kind.USER_PAIR, Kind.KEY, Kind.STATIC_USER})
#: A command, and why to run it.
Action = tuple[str, str]
#: Who got which version last, and reads over time by version.
Reads = tuple[Sequence[Mapping[str, Any]], Mapping[str, Any]]


def build_value(
    rows: Sequence[Row],
    history: ValueHistory | None,
    reads: Reads | None,
    commands: Commands,
    now: datetime,
    *,
    is_given: bool = False,
) -> dict[str, Any]:
    """Return the tables and texts of the view."""
    item, environment = rows[0].item, commands.environment
    versions = () if history is None else history.versions
    current = next((each.number for each in versions if each.state is VersionState.CURRENT), None)
    readers, timeline = (None, None) if reads is None else reads
    newest = find_newest(readers or (), current)
    older = sum(row["version"] < newest for row in readers or ())
    due = min((row.due for row in rows if row.due is not None), default=None)
    pairs = [(row, find_due(row, now)) for row in rows]
    return {
        "item": item,
        "state": build_value_table(pairs, environment, now, f"State of {item.name}"),
        "life": build_life(versions, readers, due, now),
        "rotation": ()
        if history is None or history.record is None
        else _describe_last(history.record),
        "chart": None if timeline is None else build_reads_chart(timeline),
        "readers": None
        if readers is None
        else build_readers(readers, current, filter_name(item), environment),
        "older": older,
        "actions": find_actions(
            rows, (older, len(readers or ())), commands, now, is_given=is_given
        ),
        "reads": _reads_url(item, environment),
    }


def filter_name(item: Item) -> str:
    """Return the name of *item* in the filter of the view of reads."""
    return f"{item.service}/{item.name}"


def show_value(request: PageRequest) -> Response:
    """Return the view of the value in the address."""
    environment = request.environment()
    kind, service, name = (request.path_params[each] for each in ("kind", "service", "name"))
    log = environment.activity(DEFAULT_SINCE)
    request.use(environment.ledger, log, environment.declaration)
    reading, own = environment.ledger.get(), environment.name
    rows = [
        row
        for row in reading.value or ()
        if (row.item.kind, row.item.service or JOBS, row.item.name) == (kind, service, name)
    ]
    if not rows and reading.value is not None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"No {kind} {name} is declared in {own}.")
    value = None
    if rows:
        item = rows[0].item
        source = environment.history(item)
        request.use(source)
        reads = _find_reads(log.get().value, item, own)
        value = build_value(
            rows,
            source.get().value,
            reads,
            environment.commands,
            request.now,
            is_given=_is_given(environment, item),
        )
    return request.render(
        "value.html.j2",
        name,
        environment=environment,
        crumbs=(
            Link(own, build_url("/", env=own)),
            Link("Values", build_url("/values", env=own)),
            Link(service, build_url("/values", env=own, service=service)),
        ),
        value=value,
        period=DEFAULT_SINCE,
        height=HEIGHT,
    )


def _is_given(environment: EnvironmentSources, item: Item) -> bool:
    """Return whether an operator provides the value of *item*, as the declaration says."""
    declaration = environment.declaration.get().value
    if declaration is None or item.service is None:
        return False
    secrets = declaration.secrets(Scope(item.service, environment.environment))
    return isinstance(secrets.get(item.name), Given)


def _find_reads(activity: Activity | None, item: Item, environment: str) -> Reads | None:
    if activity is None or item.kind not in _READ or item.service is None:
        return None
    where = (item.service, environment, item.name)
    return (
        activity.ask(lambda connection: find_last_versions(connection, *where)).rows,
        activity.ask(lambda connection: find_version_timeline(connection, *where)),
    )


def _reads_url(item: Item, environment: str) -> str | None:
    if item.kind in _READ:
        return ReadsFilter(secret=filter_name(item)).url(environment)
    if item.kind is Kind.SECRET_ID:
        return ReadsFilter(what="login", actor=item.name).url(environment)
    return None


def _describe_last(record: Record) -> tuple[tuple[str, Cell], ...]:
    """Return names and texts of a rotation."""
    states = {Step.DONE: "done", Step.UNDONE: "undone"}
    state = states.get(record.step, f"under way, next: {record.step.value}")
    parts: list[tuple[str, Cell]] = [
        ("State", f"{state}{', compromised' if record.is_compromised else ''}"),
        ("From", record.old or None),
        ("To", record.new or None),
        ("Started", record.started),
        ("Promoted", record.promoted),
        ("No consumer seen", record.moved),
        ("Ended", record.ended),
    ]
    return tuple((name, text) for name, text in parts if text is not None)


def find_actions(
    rows: Sequence[Row],
    readers: tuple[int, int],
    commands: Commands,
    now: datetime,
    *,
    is_given: bool = False,
) -> tuple[Action, ...]:
    """Return what is to be done about a value, the most urgent first.

    *readers* counts those with an older version, and all.
    """
    found = (
        _find_first(rows, commands, now, is_given=is_given),
        _find_readers(rows[0].item, readers, commands),
    )
    return tuple(each for each in found if each is not None)


def _find_first(
    rows: Sequence[Row], commands: Commands, now: datetime, *, is_given: bool
) -> Action | None:
    """Return what changes the value, None if it changes only with others."""
    item = rows[0].item
    dues = {find_due(row, now) for row in rows}
    if not dues & {Due.NO_VALUE, Due.NOT_ISSUED}:
        return _action(_describe(rows, now), commands.rotate(item))
    if is_given:
        return _action("Write its first value, from standard input", commands.put(item))
    if item.kind is Kind.SECRET_ID:
        return _action("Issue the first one", commands.issue(item))
    return _action("Create it, with all else that is declared", commands.apply())


def _action(what: str, command: str | None) -> Action | None:
    """Return the action of *command*, which may have a folder to choose."""
    if command is None:
        return None
    place = "; FOLDER is one outside of the repository" if FOLDER in command.split() else ""
    return command, f"{what}{place}"


def _find_readers(item: Item, readers: tuple[int, int], commands: Commands) -> Action | None:
    """Return what names the readers, None of what has no versions."""
    if item.kind not in VERSIONED or item.service is None:
        return None
    older, total = readers
    what = f"See who still has an older version: {older} of {total} readers"
    return commands.show_versions(item), what if older else "See who reads which version"


def _describe(rows: Sequence[Row], now: datetime) -> str:
    """Return what a rotation is for now."""
    record = next((row.rotation for row in rows if row.rotation is not None), None)
    if record is not None:
        waits = ", which waits for its consumers" if record.step is Step.CONSUMERS else ""
        return f"Continue the rotation{waits}"
    dues = [row.due for row in rows if row.due is not None]
    if not dues:
        return "Rotate it"
    due = min(dues)
    when = "overdue since" if due < now else "due"
    text = show_distance(due, now).removesuffix(" ago")
    return f"Rotate it, {when} {text}"
