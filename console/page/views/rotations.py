"""View of rotations: how far each has come, for whom it waits, and what to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from starlette.responses import Response

from console.page.copied_commands import Commands
from console.page.page_request import PageRequest
from console.page.sources.rotation_states import RotationState
from console.page.urls import value_url
from console.page.views.overview import Tile
from console.views.cells import BAD, GOOD, PLAIN, WARN, Badge, Link
from console.views.rotation import find_skipped
from console.views.table import Table, columns
from console.views.times import show_seconds
from vault.rotation.consumers.evidence_type import Evidence
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, Step

#: Ended rotations that are shown, the latest first.
ENDED: Final = 50
_ENDED: Final = columns(
    "name Name, state Result, time Ended, time Took, time Versions, text Service, text Kind"
)
_CONSUMERS: Final = columns("name Consumer, state State, reason Seen")
#: It replaces the new value, too, so that it is no way to retire only the old one.
_EMERGENCY: Final = "After a leak: end the old and the new value at once, and create another"
_STEPS: Final = tuple(step for step in Step if not step.is_end)
_GROUPS: Final = (
    ("waiting", "Waits for", WARN),
    ("moved", "Has moved", GOOD),
    ("ended", "Has ended", PLAIN),
    ("readers", "Has read the old value", WARN),
)


class Progress(StrEnum):
    """Whether a step was done."""

    DONE = "done"
    CURRENT = "current"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Underway:
    """A rotation that is under way, as the view shows it."""

    of: RotationState
    record: Record
    href: str
    state: Badge
    steps: tuple[tuple[Step, Progress], ...]
    consumers: Table
    notes: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]


def build_underway(
    found: Iterable[RotationState], commands: Commands, now: datetime
) -> list[Underway]:
    """Return the rotations that are under way, the one that waits the longest first."""
    running = [
        _underway(each, each.record, commands, now)
        for each in found
        if each.record is not None and not each.record.step.is_end
    ]
    return sorted(running, key=lambda each: each.record.waits_since)


def build_ended(found: Iterable[RotationState], environment: str) -> Table:
    """Return the last rotations that have ended, the latest first."""
    pairs = [
        (each.item, each.record)
        for each in found
        if each.record is not None and each.record.step.is_end
    ]
    pairs.sort(key=lambda pair: pair[1].ended or pair[1].started, reverse=True)
    rows = [
        (
            Link(item.name, value_url(item, environment)),
            _result(record),
            record.ended,
            show_seconds(record.ended - record.started) if record.ended else None,
            f"{record.old} → {record.new}" if record.new else None,
            *(item.service or "a job", item.kind.value),
        )
        for item, record in pairs[:ENDED]
    ]
    return Table("Rotations that have ended", _ENDED, rows)


def find_unreadable(found: Iterable[RotationState]) -> list[RotationState]:
    """Return the rotations whose record cannot be read."""
    return [each for each in found if each.record is None]


def build_tiles(found: Sequence[RotationState], underway: Sequence[Underway]) -> tuple[Tile, ...]:
    """Return the numbers of the environment."""
    ready = sum(each.state.tone == GOOD for each in underway)
    ended = sum(each.record is not None and each.record.step.is_end for each in found)
    return (
        Tile("Under way", f"{len(underway):,}"),
        Tile("Can be ended now", f"{ready:,}", GOOD if ready else PLAIN),
        Tile("Wait", f"{len(underway) - ready:,}", WARN if len(underway) > ready else PLAIN),
        Tile("Ended", f"{ended:,}"),
    )


def show_rotations(request: PageRequest) -> Response:
    """Return the view of one environment."""
    environment = request.environment()
    request.use(environment.rotations)
    found, commands = environment.rotations.get().value, environment.commands
    underway = build_underway(found or (), commands, request.now)
    return request.render(
        "rotations.html.j2",
        "Rotations",
        environment=environment,
        is_read=found is not None,
        tiles=build_tiles(found or (), underway),
        underway=underway,
        ended=build_ended(found or (), environment.name),
        unreadable=find_unreadable(found or ()),
        command=commands.rotate_due(),
    )


def _underway(each: RotationState, record: Record, commands: Commands, now: datetime) -> Underway:
    return Underway(
        each,
        record,
        value_url(each.item, commands.environment),
        _state(record, each.evidence, now),
        _steps(each.item, record),
        _consumers(each),
        tuple(_notes(each, record)),
        tuple(_commands(each.item, record, commands)),
    )


def _state(record: Record, evidence: Evidence | None, now: datetime) -> Badge:
    if record.is_undone:
        return Badge("is being undone", WARN)
    if record.step is not Step.CONSUMERS:
        is_announced = record.step is Step.PROMOTE and record.announced is not None
        return Badge("announced" if is_announced else f"next step: {record.step}", WARN)
    if evidence is None:
        return Badge("waits for its consumers", WARN)
    if evidence.is_complete(now):
        return Badge("can be ended now", GOOD)
    if evidence.waiting:
        count = len(evidence.waiting)
        return Badge(f"waits for {count} consumer{'s' if count > 1 else ''}", WARN)
    return Badge("in its grace period", PLAIN)


def _steps(item: Item, record: Record) -> tuple[tuple[Step, Progress], ...]:
    here, skipped = _STEPS.index(record.step), find_skipped(item)
    return tuple(
        (step, _progress(index - here)) for index, step in enumerate(_STEPS) if step not in skipped
    )


def _progress(distance: int) -> Progress:
    if distance == 0:
        return Progress.CURRENT
    return Progress.DONE if distance < 0 else Progress.LATER


def _consumers(of: RotationState) -> Table:
    evidence, proof = of.evidence, of.evidence and of.evidence.proof
    rows = [
        (each.identity, Badge(title, tone), each.detail)
        for group, title, tone in _GROUPS
        for each in getattr(evidence, group, ())
    ]
    return Table(f"Consumers of {of.item.name}, by the {proof}", _CONSUMERS, rows)


def _notes(each: RotationState, record: Record) -> Iterable[str]:
    if each.evidence is not None:
        yield f"Evidence: {each.evidence.proof}."
    if each.problem:
        yield each.problem
    if each.evidence is not None:
        yield from each.evidence.notes
    elif record.step is Step.CONSUMERS and not each.problem:
        yield "what it waits for is shown by the command, which may ask hooks, tokens or a database"
    if each.item.kind is Kind.USER_PAIR:
        yield "open sessions of the old database user are counted by the command only"


def _commands(item: Item, record: Record, commands: Commands) -> Iterable[tuple[str, str]]:
    command = commands.rotate(item)
    if command is None:
        return
    is_last = record.step in {Step.CONSUMERS, Step.RETIRE}
    yield command, "Continue, and retire the old value once it may end" if is_last else "Continue"
    is_ending = record.step is Step.RETIRE or (record.is_compromised and is_last)
    if not (is_ending or record.is_undone):
        yield f"{command} --undo", "Go back to the old value"
        yield f"{command} --compromised", _EMERGENCY


def _result(record: Record) -> Badge:
    if record.step is Step.UNDONE:
        return Badge("undone", WARN)
    return Badge("compromised, rotated", BAD) if record.is_compromised else Badge("rotated", GOOD)
