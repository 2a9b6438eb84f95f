"""Printing of a plan and of its progress while it is applied. A plan contains no secret value."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from console.views.escapes import escape_unprintable
from vault.declare import counts, durations
from vault.reconcile.planning.plan import Action, Change, FieldChange, Plan

_SIGNS: Final = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
}
_LOST_KEY: Final = (
    "transit-key {} was made before, and does not exist: a new key decrypts nothing of it; restore "
    "the server's storage, unless an apply was interrupted"
)
#: Section of the Runbook.
_DELETED: Final = "A secret was deleted by mistake"
#: Suffixes of the names of fields whose unit is a second.
_SECONDS: Final = ("_ttl", "_period", "ttl")


def show_plan(console: Console, plan: Plan) -> None:
    """Print each change with its fields, what apply does not change and why, and a summary."""
    for change in plan.changes:
        _show_change(console, change)
    for name in plan.missing:
        _print_line(console, "red", f"! secret {describe_missing(plan, name)}")
    for change, error in plan.obstacles:
        _print_line(console, "red", f"! {change}: {error}")
    for change, what in plan.widening if plan.may_widen else ():
        _print_line(console, "red", f"! {change}: it grants more: {what}")
    for name in plan.lost_keys:
        _print_line(console, "red", f"! {_LOST_KEY.format(name)}")
    for name in plan.kept:
        note = f"! {name} is orphaned, but has data: delete it with --destroy-data {name}"
        _print_line(console, "red", note)
    for name in plan.absent:
        _print_line(console, "yellow", f"! {name} is already deleted: nothing to destroy")
    for name in plan.not_compared:
        _print_line(console, "yellow", f"! {name} is not compared: the server does not return it")
    console.print(summary(plan), highlight=False)


def describe_missing(plan: Plan, name: str) -> str:
    """Return that the secret *name* of ``plan.missing`` has no value, and what to do."""
    ended = plan.ended.get(name)
    if ended is None:
        service, environment, secret = name.split("/", 2)
        return (
            f"{name} has no value: write it with strongroom put {secret} --service {service} "
            f"--env {environment}"
        )
    return f"{name} has no value: {ended}; undelete it, or write it again (Runbook: {_DELETED!r})"


def summary(plan: Plan) -> str:
    """Return one line that counts the plan's changes and other resources."""
    counts = [
        f"{plan.count(Action.CREATE)} to create",
        f"{plan.count(Action.UPDATE)} to change",
        f"{plan.count(Action.DELETE)} to delete",
        f"{plan.unchanged} unchanged",
        f"{len(plan.missing)} without a value",
        *([f"{len(plan.kept)} kept"] if plan.kept else []),
    ]
    return f"Plan: {', '.join(counts)}."


@contextmanager
def progress(console: Console, plan: Plan) -> Iterator[Callable[[Change], None]]:
    """Yield a function that shows the progress when it is called after each change.

    On a terminal it moves a bar with an estimate of the time, otherwise it prints a line.
    """
    if not console.is_terminal or not plan.changes:
        yield lambda change: _print_line(console, "green", f"done: {change}")
        return
    from rich.progress import (  # noqa: PLC0415 (only for a terminal)
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

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
    _print_line(console, colour, f"{sign} {change.kind} {change.resource.name}")
    for field in change.fields:
        for line in describe_field(field, is_created=change.action is Action.CREATE):
            _print_line(console, _colour(line, colour), f"    {line}")


def _print_line(console: Console, colour: str, text: str) -> None:
    # A policy on the server can have control characters that hide lines from an operator's review.
    printable = escape_unprintable(text.expandtabs(4))
    # An ARN has ":secret:" in it, which is also the name of an emoji.
    console.print(f"[{colour}]{escape(printable)}[/]", highlight=False, emoji=False)


def _colour(line: str, otherwise: str) -> str:
    return {"  +": "green", "  -": "red"}.get(line[:3], otherwise)


def describe_field(field: FieldChange, *, is_created: bool) -> list[str]:
    """Return the lines that show a change: old and new value, or a diff if they have lines."""
    before, after = str(field.before), str(field.after)
    if is_created and "\n" not in after:
        return [f"{field.field}: {_format_value(field.field, field.after)}"]
    if is_created:
        return [f"{field.field}: {counts.render(len(after.splitlines()), 'line')}"]
    if "\n" not in before and "\n" not in after:
        values = (_format_value(field.field, value) for value in (field.before, field.after))
        return [f"{field.field}: {' → '.join(values)}"]
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))
    return [f"{field.field}:", *(f"  {line}" for line in lines[2:])]


def _format_value(field: str, value: Any) -> str:
    """Return *value* for people: seconds as a duration, text in quotes, None as "absent"."""
    if value is None:
        return "absent"
    if type(value) is int and field.endswith(_SECONDS):
        return durations.render(value)
    return repr(value) if isinstance(value, str) else str(value)
