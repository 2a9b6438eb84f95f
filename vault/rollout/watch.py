"""Watch of a rollout: looks at an interval, until a trigger fires or the time is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.declare import durations
from vault.declare.schema.rollout import RolloutRules
from vault.rollout.decision import Colours, Finding, State, decide
from vault.rollout.measurement import Look, Query, measure
from vault.rollout.queries import build_queries, find_targets


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout of one service."""

    scope: Scope
    colours: Colours
    rules: RolloutRules

    def look(self, query: Query, elapsed: float) -> Look:
        """Return the figures of both colours.

        *elapsed* is the seconds since the watch began, because what was before is no evidence.
        """
        window = min(self.rules.window, elapsed)
        baseline = self.rules.triggers.latency.baseline
        new, old = (
            measure(query, build_queries(self.rules, self.targets(colour), window, seconds))
            for colour, seconds in ((self.colours.new, window), (self.colours.old, baseline))
        )
        return Look(new, old, window)

    def targets(self, colour: str) -> str:
        """Return the label matchers of the targets of *colour*."""
        return find_targets(self.rules.targets, self.scope, colour)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a watch takes, and how often it looks, in seconds."""

    duration: int
    interval: int


def watch(
    rollout: Rollout,
    query: Query,
    pace: Pace,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], object],
    show: Callable[[Sequence[Finding]], object],
) -> tuple[Finding, ...]:
    """Look at both colours until a trigger fires or the time is over.

    It returns what fired, else what is unknown at the end; nothing if the rollout goes on. It
    raises ConfigurationError if Prometheus does not respond for the declared silence.
    """
    begin = seen = clock()
    while True:
        sleep(max(0, min(pace.interval, begin + pace.duration - clock())))
        now = clock()
        findings, has_targets = _look(rollout, query, now - begin, now - seen)
        if has_targets:
            seen = now
        show(findings)
        fired = tuple(each for each in findings if each.state is State.FIRED)
        if fired or now - begin >= pace.duration:
            return fired or tuple(each for each in findings if each.state is State.UNKNOWN)


def _look(
    rollout: Rollout, query: Query, elapsed: float, silent: float
) -> tuple[tuple[Finding, ...], bool]:
    """Return the findings of one look, and whether the new colour has targets."""
    try:
        look = rollout.look(query, elapsed)
    except ConfigurationError as error:
        if silent >= rollout.rules.silence:
            raise
        return (Finding("metrics", State.UNKNOWN, str(error)),), False
    findings = tuple(decide(rollout.rules, rollout.colours, look))
    if look.new.targets:
        return findings, True
    return (_silence(rollout, silent), *findings), False


def _silence(rollout: Rollout, seconds: float) -> Finding:
    """Return the finding that the new colour has had no targets for *seconds*."""
    limit = rollout.rules.silence
    targets = rollout.targets(rollout.colours.new)
    evidence = f"no target with {targets} for {seconds:.0f}s; limit {durations.render(limit)}"
    state = State.FIRED if seconds >= limit else State.UNKNOWN
    return Finding("metrics", state, evidence)
