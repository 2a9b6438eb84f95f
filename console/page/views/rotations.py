"""View of rotations: how far each has come, for whom it waits, and what to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from starlette.responses import Response

from console.page.commands import Commands
from console.page.page_request import PageRequest
from console.page.sources.rotation_states import RotationState
from console.page.urls import value_url
from console.page.views.badge import BAD, GOOD, PLAIN, WARN, Badge
from console.page.views.overview import Tile
from console.rotation_view import find_skipped
from vault.rotation.consumers.evidence import Consumer, Evidence
from vault.rotation.inventory import Item, Kind
from vault.rotation.record import Record, Step

#: Ended rotations that are shown, the latest first.
ENDED: Final = 50
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
class StepMark:
    """A step of a rotation."""

    name: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class ConsumerLine:
    """What is known of one consumer."""

    state: Badge
    consumer: Consumer


@dataclass(frozen=True, slots=True)
class Underway:
    """A rotation that is under way, as the view shows it.

    Attributes:
        href: Address of the item's page.
        state: What it waits for.
        since: When it began to wait.
        steps: Its steps.
        proof: What the evidence rests on, empty without evidence.
        consumers: What is known of its consumers.
        not_before: Time before which the old value stays valid, None if there is none.
        notes: What cannot be proved, or why there is no evidence.
        commands: What can be run, and why.

    """

    item: Item
    record: Record
    href: str
    state: Badge
    since: datetime
    steps: tuple[StepMark, ...]
    proof: str
    consumers: tuple[ConsumerLine, ...]
    not_before: datetime | None
    notes: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class EndedLine:
    """A rotation that has ended.

    Attributes:
        href: Address of the item's page.
        result: How it has ended.

    """

    item: Item
    record: Record
    href: str
    result: Badge


@dataclass(frozen=True, slots=True)
class RotationsView:
    """What the view shows.

    Attributes:
        tiles: The numbers of the environment.
        underway: Those under way, the one that waits the longest first.
        ended: The last ones that have ended, the latest first.
        unreadable: Names of items, and why their record cannot be read.
        command: The command that runs all that are due.

    """

    tiles: tuple[Tile, ...]
    underway: tuple[Underway, ...]
    ended: tuple[EndedLine, ...]
    unreadable: tuple[tuple[str, str], ...]
    command: str


def build_rotations(
    found: Sequence[RotationState], commands: Commands, now: datetime
) -> RotationsView:
    """Return what the view shows.

    Args:
        found: The rotations of the environment.
        commands: Commands about it.
        now: The current time.

    """
    records = [(each, each.record) for each in found if each.record is not None]
    underway = [_underway(each, record, commands, now) for each, record in records if _runs(record)]
    ended = [
        EndedLine(each.item, record, value_url(each.item, commands.environment), _result(record))
        for each, record in records
        if not _runs(record)
    ]
    ended.sort(key=lambda line: line.record.ended or line.record.started, reverse=True)
    ready = sum(each.state.tone == GOOD for each in underway)
    tiles = (
        Tile("Under way", f"{len(underway):,}"),
        Tile("Can be ended now", f"{ready:,}", GOOD if ready else PLAIN),
        Tile("Wait", f"{len(underway) - ready:,}", WARN if len(underway) > ready else PLAIN),
        Tile("Ended", f"{len(ended):,}"),
    )
    return RotationsView(
        tiles,
        tuple(sorted(underway, key=lambda each: each.since)),
        tuple(ended[:ENDED]),
        tuple((each.item.name, each.problem) for each in found if each.record is None),
        commands.rotate_due(),
    )


def show_rotations(request: PageRequest) -> Response:
    """Return the view of one environment."""
    environment = request.environment()
    request.use(environment.rotations)
    found, commands = environment.rotations.get().value, environment.commands
    return request.render(
        "rotations.html.j2",
        "Rotations",
        environment=environment,
        rotations=None if found is None else build_rotations(found, commands, request.now),
    )


def _runs(record: Record) -> bool:
    return not record.step.is_end


def _underway(each: RotationState, record: Record, commands: Commands, now: datetime) -> Underway:
    evidence = each.evidence
    return Underway(
        each.item,
        record,
        value_url(each.item, commands.environment),
        _state(record, evidence, now),
        record.waits_since,
        _steps(each.item, record),
        "" if evidence is None else evidence.proof.value,
        () if evidence is None else tuple(_consumers(evidence)),
        None if evidence is None else evidence.not_before,
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


def _steps(item: Item, record: Record) -> tuple[StepMark, ...]:
    here, skipped = _STEPS.index(record.step), find_skipped(item)
    return tuple(
        StepMark(step.value, _progress(index - here))
        for index, step in enumerate(_STEPS)
        if step not in skipped
    )


def _progress(distance: int) -> Progress:
    if distance == 0:
        return Progress.CURRENT
    return Progress.DONE if distance < 0 else Progress.LATER


def _consumers(evidence: Evidence) -> Iterable[ConsumerLine]:
    for group, title, tone in _GROUPS:
        for each in getattr(evidence, group):
            yield ConsumerLine(Badge(title, tone), each)


def _notes(each: RotationState, record: Record) -> Iterable[str]:
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
        yield f"{command} --compromised", "Retire the old value now, whoever still uses it"


def _result(record: Record) -> Badge:
    if record.step is Step.UNDONE:
        return Badge("undone", WARN)
    return Badge("compromised, rotated", BAD) if record.is_compromised else Badge("rotated", GOOD)
