"""Printing of rotations: their steps, the evidence, and their state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console

from console.views.columns import print_columns
from console.views.escapes import say
from vault.reconcile.server_time import format_time
from vault.rotation.consumers.evidence_type import Consumer, Evidence
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, Step
from vault.rotation.rotation import Result

_TITLES: Final = {
    Step.CREATE: "created a new value",
    Step.SET: "nothing is left to set for it",
    Step.TEST: "no test of it has failed",
    Step.PROMOTE: "promoted it",
    Step.CONSUMERS: "all consumers have moved",
    Step.RETIRE: "retired the old value",
}
#: Titles of the steps of a key, whose new version is in use from its creation.
_KEY_TITLES: Final = {
    **_TITLES,
    Step.CREATE: "there is a new version",
    Step.PROMOTE: "what is stored moves to it from now on",
    Step.CONSUMERS: "the wait for what is stored has ended",
    Step.RETIRE: "the rotation has ended",
}
#: Steps in which nothing is done for a key.
_NO_KEY_STEPS: Final = frozenset((Step.SET, Step.TEST, Step.PROMOTE))
#: What an undone rotation leaves of a key, whose older version cannot be made the current one.
_UNDONE: Final = {
    Kind.KEY: "undone. All versions decrypt as before; Transit always encrypts with the newest "
    "version, so that nothing can be changed back, and nothing must.",
    Kind.INDEX_KEY: "undone. Lookups use both versions; the next rotation continues with the "
    "newer one.",
}
_HEADINGS: Final = ("service", "kind", "name", "state", "since", "old", "new")


def find_skipped(item: Item) -> frozenset[Step]:
    """Return the steps in which nothing is done for *item*."""
    return _NO_KEY_STEPS if item.kind in _UNDONE else frozenset()


class RotationView:
    """Printer of rotations."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show_step(self, item: Item, step: Step, record: Record) -> None:
        """Print a step that has ended."""
        if item.kind in _UNDONE and step in {Step.SET, Step.TEST}:
            return
        versions = f" ({record.old} -> {record.new})" if step is Step.PROMOTE else ""
        titles = _KEY_TITLES if item.kind in _UNDONE else _TITLES
        is_forced = step is Step.CONSUMERS and record.is_compromised
        title = "did not wait for the consumers" if is_forced else titles[step]
        self.say(f"✓ {item.name}: {title}{versions}")

    def show_result(self, item: Item, result: Result) -> None:
        """Print the evidence, and whether the rotation has ended or for whom it waits."""
        if result.evidence is not None:
            self._show_evidence(result.evidence, is_forced=result.record.is_compromised)
        record = result.record
        if record.step is Step.DONE:
            self.say(f"{item.name}: rotated.")
        elif record.step is Step.UNDONE:
            text = _UNDONE.get(item.kind, "undone. The new value is not in use.")
            self.say(f"{item.name}: {text}")
        elif result.announced_until is not None:
            self.say(
                f"{item.name}: its next value is announced, and does not sign before "
                f"{format_time(result.announced_until)}. Run the command again to continue, or go "
                "back with --undo."
            )
        else:
            self.say(
                f"{item.name}: waits. Run the command again to continue, or go back with --undo."
            )

    def show_preview(self, item: Item, record: Record) -> None:
        """Print the steps that a run would begin with."""
        if record.is_undone:
            self.say(f"{item.service or '-'} {item.kind} {item.name} is being undone")
            return
        every, skipped = list(_TITLES), find_skipped(item)
        left = [each for each in every[every.index(record.step) :] if each not in skipped]
        state = f"replaces {record.old}" if record.step is Step.CREATE else "is under way"
        self.say(f"{item.service or '-'} {item.kind} {item.name} {state}; steps: {', '.join(left)}")

    def show_states(self, states: Iterable[tuple[Item, Record | None]]) -> None:
        """Print one line for each item."""
        rows = [_HEADINGS, *(_cells(item, record) for item, record in states)]
        print_columns(self._console, rows)

    def say(self, line: str) -> None:
        """Print *line*, whose names may come from an audit log."""
        say(self._console, line)

    def _show_evidence(self, evidence: Evidence, *, is_forced: bool) -> None:
        self.say(f"evidence: {evidence.proof}")
        waiting = "used the old value" if is_forced else "waits for"
        groups: tuple[tuple[str, tuple[Consumer, ...]], ...] = (
            (waiting, evidence.waiting),
            ("has moved", evidence.moved),
            ("has ended", evidence.ended),
            ("has read the old value", evidence.readers),
        )
        for title, consumers in groups:
            for each in consumers:
                self.say(f"  {title}: {each}")
        if evidence.not_before is not None and not is_forced:
            self.say(f"  not before: {format_time(evidence.not_before)}")
        for note in evidence.notes:
            self.say(f"  note: {note}")


def _cells(item: Item, record: Record | None) -> tuple[str, ...]:
    service = item.service or "-"
    if record is None:
        return (service, item.kind, item.name, "never rotated", "-", "-", "-")
    since = record.ended or record.promoted or record.announced or record.started
    state = record.step.value if record.step.is_end else f"under way: {record.step}"
    return (
        *(service, item.kind, item.name, state),
        *(format_time(since) or "-", record.old or "-", record.new or "-"),
    )
