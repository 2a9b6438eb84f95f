"""Decision whether a rollout goes on. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vault.declare import durations
from vault.declare.schema.rollout import (
    Crashes,
    DatabaseFailures,
    Latency,
    RolloutRules,
    SecretFailures,
)
from vault.rollout.measurement import Look, Measurement

_NAMED: Final = 3  # targets in a text


class State(StrEnum):
    """What is known of one trigger."""

    HOLDS = "holds"
    UNKNOWN = "not known yet"
    FIRED = "trigger"


@dataclass(frozen=True, slots=True)
class Finding:
    """A trigger, what is known of it, and the figures of both colours."""

    trigger: str
    state: State
    evidence: str

    def __str__(self) -> str:
        mark = "" if self.state is State.HOLDS else f" ({self.state})"
        return f"{self.trigger}: {self.evidence}{mark}"


@dataclass(frozen=True, slots=True)
class Colours:
    """Names of the two colours."""

    new: str
    old: str


def decide(rules: RolloutRules, colours: Colours, look: Look) -> Iterator[Finding]:
    """Yield what each trigger that is enabled says about one look."""
    triggers = rules.triggers
    if triggers.secret_failures.enabled:
        yield _secret_failures(triggers.secret_failures, colours, look)
    if triggers.database_failures.enabled:
        yield _database_failures(triggers.database_failures, colours, look)
    if triggers.crashes.enabled:
        yield _crashes(triggers.crashes, colours, look)
    if triggers.latency.enabled:
        yield _latency(triggers.latency, colours, look)


def _secret_failures(trigger: SecretFailures, colours: Colours, look: Look) -> Finding:
    def describe(colour: str, figures: Measurement) -> str:
        share = 100 * figures.failed_accesses / figures.accesses if figures.accesses else 0
        return f"{colour} {share:.1f} % of {figures.accesses:.0f}"

    name, new = "secret_failures", look.new
    both = f"{describe(colours.new, new)}, {describe(colours.old, look.old)}{_in(look)}"
    if new.accesses < trigger.minimum:
        return Finding(name, State.UNKNOWN, f"{both}; needs {trigger.minimum} accesses")
    has_fired = 100 * new.failed_accesses > trigger.percent * new.accesses
    return _finding(name, f"{both}; limit {trigger.percent} %", has_fired=has_fired)


def _database_failures(trigger: DatabaseFailures, colours: Colours, look: Look) -> Finding:
    name, new = "database_failures", look.new.database_failures
    if new is None:
        metric = trigger.counter.partition("{")[0]
        return Finding(name, State.UNKNOWN, f"{colours.new} has no {metric}")
    old = look.old.database_failures or 0
    both = f"{colours.new} {new:.0f}, {colours.old} {old:.0f}{_in(look)}"
    has_fired = round(new) >= trigger.count
    return _finding(name, f"{both}; limit {trigger.count - 1}", has_fired=has_fired)


def _crashes(trigger: Crashes, colours: Colours, look: Look) -> Finding:
    def describe(colour: str, figures: Measurement) -> str:
        named = ", ".join(figures.crashed[:_NAMED])
        more = ", …" if len(figures.crashed) > _NAMED else ""
        names = f" ({named}{more})" if named else ""
        return f"{colour} {len(figures.crashed)} of {figures.targets} targets{names}"

    both = f"{describe(colours.new, look.new)}, {describe(colours.old, look.old)}{_in(look)}"
    if not look.new.targets:
        return Finding("crashes", State.UNKNOWN, both)
    has_fired = len(look.new.crashed) >= trigger.count
    return _finding("crashes", f"{both}; limit {trigger.count - 1}", has_fired=has_fired)


def _latency(trigger: Latency, colours: Colours, look: Look) -> Finding:
    unit = " s" if trigger.histogram.partition("{")[0].endswith("_seconds") else ""

    def describe(colour: str, figures: Measurement) -> str:
        found = "nothing" if figures.latency is None else f"{figures.latency:.3g}{unit}"
        return f"{colour} {found} of {figures.requests:.0f} requests"

    new, old = look.new, look.old
    both = f"{describe(colours.new, new)}{_in(look)}, {describe(colours.old, old)}"
    both += f" in {durations.render(trigger.baseline)}"
    if min(new.requests, old.requests) < trigger.minimum:
        return Finding("latency", State.UNKNOWN, f"{both}; needs {trigger.minimum} of each")
    if new.latency is None or not old.latency:
        needs = f"{trigger.histogram} with durations and buckets"
        return Finding("latency", State.UNKNOWN, f"{both}; needs {needs}")
    change = 100 * (new.latency / old.latency - 1)
    both += f": {change:+.0f} %; limit +{trigger.percent} %"
    return _finding("latency", both, has_fired=change > trigger.percent)


def _in(look: Look) -> str:
    return f" in {durations.render(round(look.window))}"


def _finding(trigger: str, evidence: str, *, has_fired: bool) -> Finding:
    return Finding(trigger, State.FIRED if has_fired else State.HOLDS, evidence)
