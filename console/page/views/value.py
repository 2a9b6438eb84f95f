"""View of one value's life: versions, rotations, readers by version, and what is to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app_integration.names import Scope
from console.audit.charts import HEIGHT, Timeline
from console.page.commands import Commands
from console.page.page_request import Link, PageRequest
from console.page.sources.audit_activity import Activity
from console.page.sources.sources import EnvironmentSources
from console.page.sources.value_history import ValueHistory
from console.page.urls import JOBS, build_url
from console.page.views.due import find_due
from console.page.views.reads_filter import ReadsFilter
from console.page.views.value_actions import Action, find_actions
from console.page.views.value_versions import (
    Life,
    Reader,
    build_life,
    build_readers,
    build_reads_chart,
)
from console.page.views.values import ValueRow, build_value_row
from console.store_options import DEFAULT_SINCE
from vault.audit.report.timeline import find_version_timeline
from vault.audit.report.version_reads import find_last_versions
from vault.declare.schema.secret_sources import Given
from vault.rotation.inventory import Item, Kind
from vault.rotation.ledger.ledger import Row
from vault.rotation.record import Record, Step
from vault.rotation.server_versions import VersionState

#: Kinds whose reads the log has under their names.
_READ: Final = frozenset({Kind.SECRET, Kind.USER_PAIR, Kind.KEY, Kind.STATIC_USER})


@dataclass(frozen=True, slots=True)
class Reads:
    """What the log says of a value.

    Attributes:
        versions: Who got which version last.
        timeline: Reads over time, by version.

    """

    versions: Sequence[Mapping[str, Any]]
    timeline: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """What the view shows.

    Attributes:
        rows: Its row, or one for each secret-id of an AppRole.
        actions: What is to be done now.
        life: Its versions, None if it has none or they are not known.
        rotation: Names and texts of its last rotation, empty if there was none.
        chart: Reads over time, None without one.
        readers: Who got which version last, None if that is not known.
        older: Number of readers with an older version than the current one.
        reads: Address of all its requests, None if the log has none under its name.

    """

    item: Item
    rows: tuple[ValueRow, ...]
    actions: tuple[Action, ...]
    life: Life | None
    rotation: tuple[tuple[str, str | datetime], ...]
    chart: Timeline | None
    readers: tuple[Reader, ...] | None
    older: int
    reads: str | None


def build_value(
    rows: Sequence[Row],
    history: ValueHistory | None,
    reads: Reads | None,
    commands: Commands,
    now: datetime,
    *,
    is_given: bool = False,
) -> Value:
    """Return what the view shows.

    Args:
        rows: The rows of one item, at least one.
        history: What the server knows of its past, None if that was not read.
        reads: What the log says of it, None if that was not read.
        commands: Commands of its environment.
        now: The current time.
        is_given: Whether an operator provides its value.

    """
    item, environment = rows[0].item, commands.environment
    versions = () if history is None else history.versions
    current = next((each.number for each in versions if each.state is VersionState.CURRENT), None)
    name = filter_name(item)
    readers = None if reads is None else build_readers(reads.versions, current, name, environment)
    due = min((row.due for row in rows if row.due is not None), default=None)
    return Value(
        item,
        tuple(build_value_row(row, find_due(row, now), environment, now) for row in rows),
        find_actions(rows, readers or (), commands, now, is_given=is_given),
        build_life(versions, readers, due, now),
        () if history is None or history.record is None else _describe(history.record),
        None if reads is None else build_reads_chart(reads.timeline),
        readers,
        sum(each.is_older for each in readers or ()),
        _reads_url(item, environment),
    )


def filter_name(item: Item) -> str:
    """Return the name by which the view of reads filters *item*."""
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
    return Reads(
        activity.ask(lambda connection: find_last_versions(connection, *where)).rows,
        activity.ask(lambda connection: find_version_timeline(connection, *where)),
    )


def _reads_url(item: Item, environment: str) -> str | None:
    if item.kind in _READ:
        return ReadsFilter(secret=filter_name(item)).url(environment)
    if item.kind is Kind.SECRET_ID:
        return ReadsFilter(what="login", actor=item.name).url(environment)
    return None


def _describe(record: Record) -> tuple[tuple[str, str | datetime], ...]:
    """Return names and texts of a rotation. Times are shown by the template."""
    states = {Step.DONE: "done", Step.UNDONE: "undone"}
    state = states.get(record.step, f"under way, next: {record.step.value}")
    parts: list[tuple[str, str | datetime | None]] = [
        ("State", f"{state}{', compromised' if record.is_compromised else ''}"),
        ("From", record.old or None),
        ("To", record.new or None),
        ("Started", record.started),
        ("Promoted", record.promoted),
        ("No consumer seen", record.moved),
        ("Ended", record.ended),
    ]
    return tuple((name, text) for name, text in parts if text is not None)
