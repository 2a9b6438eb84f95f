"""Model of ``rollout.yaml``: the triggers that end a rollout, and where their metrics are.

The built-in file has every key. A team's file has those that differ, for all services or for one,
so that each key has a default of None here, which no watch ever sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from vault.declare.errors import InvalidValue, format_value
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import Count, ServiceName, Within
from vault.declare.schema.text_types import Matching, check_placeholders, json_text

#: Names in braces that the matchers of targets may contain.
PLACEHOLDERS: Final = ("service", "environment", "colour")

_METRIC: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_MATCHER: Final = r'[a-zA-Z_][a-zA-Z0-9_]*(?:=|!=|=~|!~)"(?:[^"\\\x00-\x1f\x7f]|\\["\\abfnrtv])*"'
_MATCHERS: Final = rf"{_MATCHER}(?:, *{_MATCHER})*"
_SELECTOR: Final = rf"{_METRIC}(?:\{{{_MATCHERS}\}})?"
_NO_MATCHERS: Final = 'label matchers such as \'job="{service}",colour="{colour}"\''
#: Default of a key that a team's file leaves out.
_LEFT_OUT: Final[Any] = None


def _matchers(value: str) -> str:
    check_placeholders(value, PLACEHOLDERS)
    if "{colour}" not in value:
        raise InvalidValue(f"is {format_value(value)}", "{colour} in one of them")
    return value


Targets = Annotated[
    str,
    Matching(_MATCHERS, _NO_MATCHERS),
    AfterValidator(_matchers),
    json_text(_MATCHERS, _NO_MATCHERS),
]
Selector = Annotated[
    str, Matching(_SELECTOR, 'a metric such as db_connects_total{outcome="failed"}')
]
HistogramName = Annotated[
    str,
    Matching(
        _SELECTOR,
        "a histogram such as http_request_duration_seconds, without _bucket",
        lambda text: not text.partition("{")[0].endswith(("_bucket", "_sum", "_count")),
    ),
]
Window = Annotated[int, Within("10s", "1h")]
Baseline = Annotated[int, Within("1m", "1d")]
Percent = Annotated[int, Field(ge=1, le=100)]
Increase = Annotated[int, Field(ge=1, le=1000)]


class Trigger(Section):
    """What every trigger has."""

    enabled: bool = Field(_LEFT_OUT, description="true or false: whether the trigger is used")


class SecretFailures(Trigger):
    """Accesses to secrets fail."""

    percent: Percent = Field(
        _LEFT_OUT, description="a whole number from 1 to 100: the share that may fail"
    )
    minimum: Count = Field(_LEFT_OUT, description="a whole number of accesses that the share needs")


class DatabaseFailures(Trigger):
    """Connections to the database fail."""

    counter: Selector = Field(
        _LEFT_OUT,
        description="a counter of failed connections, such as"
        " 'db_connects_total{outcome=\"failed\"}'",
    )
    count: Count = Field(_LEFT_OUT, description="a whole number of failed connections")


class Crashes(Trigger):
    """Processes restart, or do not respond."""

    count: Count = Field(
        _LEFT_OUT, description="a whole number of targets that restarted or do not respond"
    )


class Latency(Trigger):
    """Requests take longer than those of the old colour."""

    histogram: HistogramName = Field(
        _LEFT_OUT,
        description="a histogram of request durations, such as http_request_duration_seconds",
    )
    measure: Literal["mean", "p50", "p90", "p95", "p99"] = Field(
        _LEFT_OUT, description="mean, p50, p90, p95 or p99: the figure that is compared"
    )
    percent: Increase = Field(
        _LEFT_OUT, description="a whole number from 1 to 1000: how much longer than the old colour"
    )
    minimum: Count = Field(
        _LEFT_OUT, description="a whole number of requests that each colour needs"
    )
    baseline: Baseline = Field(
        _LEFT_OUT, description="a duration such as 1h, of the old colour's figure"
    )


class Triggers(Section):
    """The triggers."""

    secret_failures: SecretFailures = Field(
        _LEFT_OUT, description="a mapping with percent and minimum"
    )
    database_failures: DatabaseFailures = Field(
        _LEFT_OUT, description="a mapping with counter and count"
    )
    crashes: Crashes = Field(_LEFT_OUT, description="a mapping with count")
    latency: Latency = Field(_LEFT_OUT, description="a mapping with histogram, percent and minimum")


class RolloutRules(Section):
    """What ends a rollout of one service."""

    targets: Targets = Field(_LEFT_OUT, description=f"{_NO_MATCHERS}; by default that of the file")
    window: Window = Field(
        _LEFT_OUT,
        description="a duration such as 2m before now, of the new colour's figures; by default"
        " that of the file",
    )
    silence: Window = Field(
        _LEFT_OUT,
        description="a duration such as 1m without metrics, after which it ends; by default"
        " that of the file",
    )
    triggers: Triggers = Field(_LEFT_OUT, description="a mapping with secret_failures and the like")


class RolloutFile(RolloutRules):
    """The file ``rollout.yaml``: the rules of all services, and what differs for some."""

    services: Mapping[ServiceName, RolloutRules] = Field(
        {}, description="entries like 'tracking: {triggers: {latency: {percent: 30}}}'"
    )
