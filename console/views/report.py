"""Printing of a report, and of an answer about one secret or actor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console

from console.views.cells import show_time, to_text
from console.views.columns import print_columns
from console.views.escapes import escape_unprintable, say
from console.views.report_tables import describe_own, report_tables
from console.views.table import Table
from vault.declare import counts

#: Rows of a table of a report on the terminal.
MAX_ROWS: Final = 20
#: Times without a line that a sentence names.
MAX_SILENCES: Final = 2


def show_report(console: Console, document: Mapping[str, Any]) -> None:
    """Print a report, of each table the first rows."""
    totals = document["totals"]
    say(
        console,
        f"{totals['requests']:,} requests of {totals['actors']:,} actors in "
        f"{document['environment']}: {totals['reads']:,} reads, {totals['logins']:,} logins, "
        f"{totals['denied']:,} denied, {totals['failed']:,} failed, {totals['absent']:,} absent.",
    )
    for line in coverage_lines(document):
        say(console, line)
    show_tables(console, report_tables(document), MAX_ROWS)
    if own := describe_own(document):
        say(console, f"\nRefused requests: {own}")
    console.print("\nWhat no log has", style="bold")
    for limit in document["limits"]:
        say(console, f"- {limit}")


def show_answer(
    console: Console,
    document: Mapping[str, Any],
    tables: Iterable[Table],
    lines: Iterable[str] = (),
) -> None:
    """Print an answer about one secret or actor."""
    for line in (*coverage_lines(document), *lines):
        say(console, line)
    show_tables(console, tables)


def show_tables(console: Console, tables: Iterable[Table], most: int | None = None) -> None:
    """Print tables, empty ones as such."""
    for table in tables:
        title = f"\n{table.title}" if table.rows else f"\n{table.title}: none"
        console.print(title, style="bold", markup=False, highlight=False)
        if not table.rows:
            continue
        shown = table.rows[:most]
        headings = tuple(column.heading for column in table.columns)
        texts = ([escape_unprintable(to_text(cell)) or "-" for cell in row] for row in shown)
        print_columns(console, [headings, *texts])
        if len(table.rows) > len(shown):
            say(console, f"... and {len(table.rows) - len(shown):,} more; --json has them")
        if table.left_out:
            say(console, f"... and {table.left_out:,} more; ask about a shorter period")


def coverage_lines(document: Mapping[str, Any]) -> list[str]:
    """Return sentences about what the logs cover, and about their faults."""
    coverage = document["coverage"]
    if coverage["first"] is None:
        return ["The logs have no line in this period."]
    devices = coverage["devices"]
    names = ", ".join(each["device"] for each in devices)
    lines = [
        (
            f"The logs have lines from {show_time(coverage['first'])} to "
            f"{show_time(coverage['last'])}, of {counts.render(len(devices), 'device')}: {names}."
        )
    ]
    if show_time(coverage["first"]) > show_time(document["since"]):
        begin = show_time(document["since"])
        lines.append(f"They have none from {begin}, when the period begins, until then.")
    if len({each["responses"] for each in devices}) > 1:
        numbers = ", ".join(f"{each['device']} {each['responses']:,}" for each in devices)
        lines.append(f"The devices do not have the same number of responses: {numbers}.")
    lines += _silence_lines(coverage["silences"])
    lines += [
        f"{each['requests']:,} requests of the namespace {each['namespace']} are not in the report."
        for each in coverage["other_namespaces"]
    ]
    return [*lines, *_damage_lines(coverage.get("logs", ()))]


def _silence_lines(silences: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence about the longest times without a line."""
    if not silences:
        return []
    longest = " and ".join(
        f"from {show_time(each['first'])} to {show_time(each['last'])}"
        for each in silences[:MAX_SILENCES]
    )
    more = ", and others of more than an hour" if len(silences) > MAX_SILENCES else ""
    return [f"No line {longest}{more}: no request was sent, or lines are missing."]


def _damage_lines(logs: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = []
    for log in logs:
        name = ", ".join(log["files"]) or "a log that was removed"
        if log["damage"]:
            # The end of a file that is torn, cut or altered is no line.
            what = counts.render(log["damaged"], "damaged line") if log["damaged"] else "Damage"
            lines.append(f"{what} in {name}:")
        lines += [f"  line {each['line']}: {each['reason']}" for each in log["damage"]]
        if (more := log["damaged"] - len(log["damage"])) > 0:
            lines.append(f"  and {more:,} more, in index.json of the store")
    return lines
