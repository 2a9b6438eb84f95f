"""Watch of a rollout on a clock of the test, with the answers of a Prometheus that is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from vault.prometheus.client import Sample
from vault.rollout.decision import Colours, Finding, State
from vault.rollout.rules import built_in
from vault.rollout.watch import Pace, Rollout, watch

ROLLOUT: Final = Rollout(Scope("tracking", Environment.PROD), Colours("green", "blue"), built_in())
GREEN: Final = 'service="tracking",environment="prod",colour="green"'
#: Part of a query → the value of its only sample. The first part that is in a query decides.
GOOD: Final = {
    "count(up": 2.0,
    "process_start": None,
    "outcome!~": 0.0,
    "secret_access": 500.0,
    "outcome!=": 0.0,
    "count(strongroom_database": 1.0,
    "sum by (le)": 0.1,
    "_sum": 0.1,
    "_count": 900.0,
}


class Site:
    """Clock, Prometheus and terminal of a watch."""

    def __init__(self, changes: Mapping[float, Mapping[str, float | None] | None] = {}) -> None:
        self.now = 0.0
        self.changes = changes
        self.queries: list[str] = []
        self.shown: list[tuple[float, Sequence[Finding]]] = []

    def query(self, text: str) -> list[Sample]:
        self.queries.append(text)
        answers: dict[str, float | None] = dict(GOOD)
        for time, change in self.changes.items():
            if time <= self.now and change is None:
                raise ConfigurationError("http://p cannot be queried: ConnectionError")
            if time <= self.now and GREEN in text:
                answers |= change or {}
        value = next(answers[part] for part in answers if part in text)
        return [] if value is None else [Sample({"instance": "a:1"}, value)]

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def watch(self, duration: int = 60, interval: int = 15) -> tuple[Finding, ...]:
        """Watch, and note what is shown at which time."""
        return watch(
            ROLLOUT,
            self.query,
            Pace(duration, interval),
            clock=lambda: self.now,
            sleep=self.sleep,
            show=lambda findings: self.shown.append((self.now, findings)),
        )


def test_watch_of_a_colour_that_holds_looks_at_the_interval_until_the_end() -> None:
    site = Site()
    assert site.watch(50) == ()
    assert [time for time, _ in site.shown] == [15, 30, 45, 50]
    assert all(len(findings) == 4 for _, findings in site.shown)


def test_trigger_ends_the_watch_at_once_and_is_returned_alone() -> None:
    site = Site({20: {"outcome!=": 3.0}})
    (found,) = site.watch()
    assert (site.now, found.trigger, found.state) == (30, "database_failures", State.FIRED)


def test_what_is_not_known_at_the_end_keeps_the_rollout_from_going_on() -> None:
    site = Site({0: {"secret_access": 3.0}})
    (found,) = site.watch()
    assert (site.now, found.trigger, found.state) == (60, "secret_failures", State.UNKNOWN)


def test_what_is_known_later_is_enough() -> None:
    site = Site({0: {"_count": 3.0}, 40: {"_count": 60.0}})
    assert site.watch() == ()
    latencies = [findings[-1].state for _, findings in site.shown]
    assert latencies == [State.UNKNOWN, State.UNKNOWN, State.HOLDS, State.HOLDS]


def test_figures_are_not_of_the_time_before_the_watch() -> None:
    site = Site()
    site.watch(300, 60)
    windows = [
        text.partition("[")[2].partition("000ms]")[0] for text in site.queries if "_sum" in text
    ]
    assert windows == ["60", "3600", *["120", "3600"] * 4]


def test_new_colour_without_targets_is_a_trigger_after_the_silence() -> None:
    site = Site({20: {"count(up": None}})
    found = site.watch(300)
    assert (site.now, found[0].trigger, found[0].state) == (75, "metrics", State.FIRED)
    assert found[0].evidence == f"no target with {GREEN} for 60s; limit 1m"


def test_new_colour_that_has_targets_again_in_time_goes_on() -> None:
    assert Site({20: {"count(up": None}, 50: {"count(up": 1.0}}).watch(120) == ()


def test_figure_that_is_no_number_keeps_the_rollout_from_going_on() -> None:
    for part in ("secret_access", "outcome!=", "count(up", "_count"):
        (found,) = Site({50: {part: float("nan")}}).watch()
        assert (found.trigger, found.state) == ("metrics", State.UNKNOWN)
        assert "a figure is nan" in found.evidence


def test_server_that_does_not_respond_for_the_silence_is_an_error() -> None:
    site = Site({20: None})
    with pytest.raises(ConfigurationError, match="cannot be queried"):
        site.watch(300)
    assert site.now == 75
    assert site.shown[-1][1][0].state is State.UNKNOWN


def test_server_that_does_not_respond_at_the_end_keeps_the_rollout_from_going_on() -> None:
    (found,) = Site({50: None}).watch()
    assert (found.trigger, found.state) == ("metrics", State.UNKNOWN)
