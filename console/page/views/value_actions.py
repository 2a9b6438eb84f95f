"""What is to be done about a value now, as commands to copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from console.page.commands import FOLDER, Commands
from console.page.times import show_distance
from console.page.views.due import Due, find_due
from console.page.views.value_versions import Reader
from vault.rotation.inventory import Item, Kind
from vault.rotation.ledger.ledger import Row
from vault.rotation.record import Step
from vault.rotation.server_versions import VERSIONED


@dataclass(frozen=True, slots=True)
class Action:
    """A command, and why to run it."""

    what: str
    command: str


def find_actions(
    rows: Sequence[Row],
    readers: Sequence[Reader],
    commands: Commands,
    now: datetime,
    *,
    is_given: bool = False,
) -> tuple[Action, ...]:
    """Return what is to be done about a value, the most urgent first.

    Args:
        rows: The rows of one item, at least one.
        readers: Who got which version last.
        commands: Commands of the environment.
        now: The current time.
        is_given: Whether an operator provides its value.

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
    if all(find_due(row, now) is not Due.NO_VALUE for row in rows):
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
    return Action(f"{what}{place}", command)


def _find_readers(item: Item, readers: Sequence[Reader], commands: Commands) -> Action | None:
    """Return what names the readers, None of what has no versions."""
    if item.kind not in VERSIONED or item.service is None:
        return None
    older = sum(each.is_older for each in readers)
    what = f"See who still has an older version: {older} of {len(readers)} readers"
    return Action(what if older else "See who reads which version", commands.show_versions(item))


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
