"""Decisions about one look: limits, figures that are not known yet, and their evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from vault.rollout.decision import Colours, Finding, State, decide
from vault.rollout.measurement import Look, Measurement
from vault.rollout.rules import built_in

COLOURS: Final = Colours("green", "blue")
#: Figures of a colour that no trigger objects to.
GOOD: Final = Measurement(
    targets=2,
    accesses=100,
    failed_accesses=5,
    database_failures=2,
    requests=50,
    latency=0.120,
)
OLD: Final = replace(GOOD, requests=70, latency=0.1)


def find(trigger: str, old: Measurement = OLD, **figures: Any) -> Finding:
    """Return the finding of one trigger, with other figures of the new colour."""
    look = Look(replace(GOOD, **figures), old, 120)
    return next(each for each in decide(built_in(), COLOURS, look) if each.trigger == trigger)


def test_colour_at_each_limit_holds() -> None:
    found = [*decide(built_in(), COLOURS, Look(GOOD, OLD, 120))]
    assert [(each.trigger, each.state) for each in found] == [
        ("secret_failures", State.HOLDS),
        ("database_failures", State.HOLDS),
        ("crashes", State.HOLDS),
        ("latency", State.HOLDS),
    ]


@pytest.mark.parametrize(
    ("trigger", "figures", "evidence"),
    [
        (
            "secret_failures",
            {"failed_accesses": 6},
            "green 6.0 % of 100, blue 5.0 % of 100 in 2m; limit 5 %",
        ),
        ("database_failures", {"database_failures": 3}, "green 3, blue 2 in 2m; limit 2"),
        (
            "crashes",
            {"crashed": ("a:1",)},
            "green 1 of 2 targets (a:1), blue 0 of 2 targets in 2m; limit 0",
        ),
        (
            "latency",
            {"latency": 0.2},
            (
                "green 0.2 s of 50 requests in 2m, blue 0.1 s of 70 requests in 1h: +100 %; "
                "limit +20 %"
            ),
        ),
    ],
)
def test_colour_beyond_a_limit_fires_with_the_figures_of_both(
    trigger: str, figures: dict[str, Any], evidence: str
) -> None:
    found = find(trigger, **figures)
    assert (found.state, found.evidence) == (State.FIRED, evidence)
    assert str(found) == f"{trigger}: {evidence} (trigger)"


@pytest.mark.parametrize(
    ("trigger", "figures", "reason"),
    [
        ("secret_failures", {"accesses": 19, "failed_accesses": 19}, "needs 20 accesses"),
        ("database_failures", {"database_failures": None}, "has no strongroom_database_conn"),
        ("crashes", {"targets": 0}, "green 0 of 0 targets"),
        ("latency", {"requests": 49, "latency": 9.0}, "needs 50 of each"),
        ("latency", {"latency": None}, "needs http_server_request_duration_seconds with"),
        ("latency", {"old": replace(OLD, requests=49)}, "blue 0.1 s of 49 requests in 1h"),
        ("latency", {"old": replace(OLD, latency=0.0)}, "with durations and buckets"),
    ],
)
def test_too_few_samples_are_neither_good_nor_a_trigger(
    trigger: str, figures: dict[str, Any], reason: str
) -> None:
    found = find(trigger, **figures)
    assert found.state is State.UNKNOWN
    assert reason in found.evidence


def test_long_list_of_crashed_targets_is_cut() -> None:
    found = find("crashes", crashed=("a:1", "b:1", "c:1", "d:1"))
    assert "green 4 of 2 targets (a:1, b:1, c:1, …)" in found.evidence


def test_trigger_that_is_not_enabled_is_left_out() -> None:
    rules = built_in().model_copy(
        update={
            "triggers": built_in().triggers.model_copy(
                update={
                    name: trigger.model_copy(update={"enabled": name == "crashes"})
                    for name, trigger in built_in().triggers
                }
            )
        }
    )
    found = [*decide(rules, COLOURS, Look(GOOD, OLD, 120))]
    assert [each.trigger for each in found] == ["crashes"]
