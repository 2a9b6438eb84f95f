"""A plan for people, and its progress while it is carried out. No secret value is in a plan."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vault.declare import durations
from vault.reconcile.planning.plan import Action, Change, FieldChange, Plan

_SIGNS: Final = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
}
#: Endings of the names of fields that count seconds.
_SECONDS: Final = ("_ttl", "_period", "ttl")


def show_plan(console: Console, plan: Plan) -> None:
    """Each change with its fields, what apply leaves alone, and a summary."""
    for change in plan.changes:
        _show_change(console, change)
    for name in plan.missing:
        _line(console, "red", f"! secret {name} has no value: give it one with --given")
    for name in plan.kept:
        note = f"! {name} is declared no more, but holds data: --destroy-data {name} deletes it"
        _line(console, "red", note)
    for name in plan.absent:
        _line(console, "yellow", f"! {name} isn't there: nothing to destroy")
    console.print(summary(plan), highlight=False)


def summary(plan: Plan) -> str:
    """One line that counts everything."""
    counts = [
        f"{plan.count(Action.CREATE)} to create",
        f"{plan.count(Action.UPDATE)} to change",
        f"{plan.count(Action.DELETE)} to delete",
        f"{plan.unchanged} as declared",
        f"{len(plan.missing)} without a value",
        *([f"{len(plan.kept)} kept"] if plan.kept else []),
    ]
    return f"Plan: {', '.join(counts)}."


@contextmanager
def progress(console: Console, plan: Plan) -> Iterator[Callable[[Change], None]]:
    """Gives what to call after each change: on a terminal a bar with an estimate, else lines."""
    if not console.is_terminal or not plan.changes:
        yield lambda change: _line(console, "green", f"done: {change}")
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("applying", total=len(plan.changes))
        yield lambda change: bar.update(task, advance=1, description=escape(str(change)))


def _show_change(console: Console, change: Change) -> None:
    sign, colour = _SIGNS[change.action]
    _line(console, colour, f"{sign} {change.kind} {change.resource.name}")
    for field in change.fields:
        for line in _difference(field, created=change.action is Action.CREATE):
            _line(console, _colour(line, colour), f"    {line}")


def _line(console: Console, colour: str, text: str) -> None:
    console.print(f"[{colour}]{escape(_visible(text))}[/]", highlight=False)


def _visible(text: str) -> str:
    """*text* with its control characters spelt out: a policy on the server may hold any.

    A terminal would obey them, and hide what is to be reviewed.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text.expandtabs(4)
    )


def _colour(line: str, otherwise: str) -> str:
    return {"  +": "green", "  -": "red"}.get(line[:3], otherwise)


def _difference(field: FieldChange, *, created: bool) -> list[str]:
    """Old and new on one line; of a text with several lines, those that differ."""
    before, after = str(field.before), str(field.after)
    if created and "\n" not in after:
        return [f"{field.field}: {shown(field.field, field.after)}"]
    if created:
        return [f"{field.field}: {len(after.splitlines())} lines"]
    if "\n" not in before and "\n" not in after:
        values = (shown(field.field, value) for value in (field.before, field.after))
        return [f"{field.field}: {' → '.join(values)}"]
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))
    return [f"{field.field}:", *(f"  {line}" for line in lines[2:])]


def shown(field: str, value: Any) -> str:
    """*value* for people: seconds as a duration, text in quotes, None as "absent"."""
    if value is None:
        return "absent"
    if type(value) is int and field.endswith(_SECONDS):
        return durations.render(value)
    return repr(value) if isinstance(value, str) else str(value)
