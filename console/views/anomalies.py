"""Printing of findings and trials. Names in a log may have any characters, so they are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console

from console.views.columns import print_columns
from console.views.escapes import escape_unprintable, say
from vault.audit.anomalies.backtest import Trial
from vault.audit.anomalies.detection import find_learning
from vault.audit.anomalies.finding import Finding
from vault.audit.anomalies.requests import Span
from vault.audit.anomalies.rules_reader import NAMES, rule_of
from vault.declare import counts, durations
from vault.declare.schema.anomalies import AnomalyRules, Ignored

#: Findings of a rule that are printed.
MOST: Final = 20
_HEADINGS: Final = ("id", "time", "actor", "host", "address", "about", "count", "usual")
_TRIALS: Final = ("rule", "threshold", "findings", "a week", "busiest day", "most by")


def show_findings(
    console: Console,
    rules: AnomalyRules,
    findings: Sequence[Finding],
    span: Span,
    since: datetime,
    expired: Iterable[Ignored],
) -> None:
    """Print the findings of each rule, what they mean, and what to do."""
    for name in NAMES:
        found = [each for each in findings if each.rule == name]
        if not found:
            continue
        rule = rule_of(rules, name)
        console.print(f"{name} ({rule.severity}): {rule.meaning}", markup=False, highlight=False)
        print_columns(console, [_HEADINGS, *map(_cells, found[:MOST])])
        if len(found) > MOST:
            say(console, f"... and {len(found) - MOST} more; --json has them")
        say(console, rule.action)
        console.print()
    for each in expired:
        say(
            console,
            f"No longer ignored: {each.rule} of {each.actor}, until {each.until}: {each.reason}",
        )
    off = [name for name in NAMES if not rule_of(rules, name).enabled]
    total = counts.render(len(findings), "finding")
    say(console, f"{total} since {since:%Y-%m-%d %H:%M}Z. Off: {', '.join(off) or 'no rule'}.")
    say(console, _describe(span))
    if learning := find_learning(rules, span):
        say(console, f"Too short, so that they find nothing yet: {', '.join(learning)}.")


def damage_lines(damaged: int) -> list[str]:
    """Return a sentence about damaged lines, which the rules could not see, if there are any."""
    if not damaged:
        return []
    count = counts.render(damaged, "damaged line")
    return [f"No rule sees {count} of the log; `strongroom audit report` names the files."]


def find_about(finding: Finding) -> str:
    """Return the path, address or wrapping token of *finding*, empty if it has no name."""
    return finding.subject or (finding.evidence[-1].path if finding.evidence else "") or ""


def show_trials(console: Console, trials: Iterable[Trial], span: Span, since: datetime) -> None:
    """Print the trials of a backtest."""
    print_columns(console, [_TRIALS, *map(_trial_cells, trials)])
    console.print()
    say(console, f"Findings since {since:%Y-%m-%d %H:%M}Z. * is the present threshold.")
    say(console, _describe(span))
    say(
        console,
        "A count says how often a rule would have called you, not how many attacks it would "
        "have found.",
    )


def _cells(finding: Finding) -> tuple[str, ...]:
    addresses = dict.fromkeys(each.address for each in finding.evidence)
    kind = " (person)" if finding.is_person else ""
    cells = (
        finding.id,
        f"{finding.first:%Y-%m-%d %H:%M:%S}Z",
        f"{finding.actor}{kind}",
        finding.host or "-",
        ", ".join(each or "(socket)" for each in addresses) or "-",
        find_about(finding),
        str(finding.count),
        "-" if finding.usual is None else f"{finding.usual:g}",
    )
    return tuple(map(escape_unprintable, cells))


def _trial_cells(trial: Trial) -> tuple[str, ...]:
    cells = (
        trial.rule if trial.is_enabled else f"{trial.rule} (off)",
        _threshold(trial),
        str(trial.findings),
        f"{trial.per_week:.1f}",
        str(trial.busiest_day),
        ", ".join(f"{actor} {count}" for actor, count in trial.actors) or "-",
    )
    return tuple(map(escape_unprintable, cells))


def _threshold(trial: Trial) -> str:
    if trial.key is None or trial.value is None:
        return "-"
    value = durations.render(trial.value) if trial.key == "learning" else str(trial.value)
    return f"{trial.key} {value}{' *' if trial.is_current else ''}"


def _describe(span: Span) -> str:
    first, last = (f"{each:%Y-%m-%d %H:%M}Z" for each in (span.first, span.last))
    return f"The log has {span.count} requests, from {first} to {last}."
