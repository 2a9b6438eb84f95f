"""Model of ``anomalies.yaml``: rules over the audit log, their thresholds, and what is ignored.

The built-in file has every key. A team's file has those that differ, so that each key has a default
of None here, which no rule ever sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from vault.declare.errors import InvalidValue, format_value
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    Count,
    Within,
)
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.text_types import Matching, check_placeholders, json_text

#: Names in braces that a pattern may contain: the jobs of a deployment, the environment, mounts.
PLACEHOLDERS: Final = (
    *("plan", "apply", "rotator", "auditor"),
    *("environment", "kv", "transit", "database", "approle"),
)

_GLOB: Final = r"[^\x00-\x1f\x7f]{1,200}"
_NO_GLOB: Final = "text of 1 to 200 characters, with '*' for any characters"
_NAME: Final = rf"\{{(?:{'|'.join(PLACEHOLDERS)})\}}"
_NAMED: Final = rf"(?:[^\x00-\x1f\x7f{{}}]|{_NAME}){{1,200}}"
#: Default of a key that a team's file leaves out.
_LEFT_OUT: Final[Any] = None


def _named_pattern(value: str) -> str:
    check_placeholders(value, PLACEHOLDERS)
    if not re.fullmatch(_NAMED, value):
        raise InvalidValue(f"is {format_value(value)}", _NO_GLOB)
    return value


def _accepted_by(parse: Callable[[str], object]) -> Callable[[str], bool]:
    """Return a check of whether *parse* accepts a text."""

    def check(value: str) -> bool:
        try:
            parse(value)
        except (ValueError, OSError, LookupError):  # the latter two of a time zone
            return False
        return True

    return check


Pattern = Annotated[str, Matching(_GLOB, _NO_GLOB)]
NamedPattern = Annotated[str, AfterValidator(_named_pattern), json_text(_NAMED, _NO_GLOB)]
Network = Annotated[
    str,
    Matching(
        r"[0-9a-fA-F.:]+/[0-9]{1,3}", "a network such as 10.0.0.0/8", _accepted_by(ip_network)
    ),
]
Clock = Annotated[
    str, Matching(r"(?:[01][0-9]|2[0-3]):(?:00|15|30|45)|24:00", "a quarter of an hour: '07:30'")
]
TimeZone = Annotated[
    str,
    Matching(
        r"[A-Za-z][A-Za-z0-9_+/-]*", "a time zone such as Europe/Berlin", _accepted_by(ZoneInfo)
    ),
]
Until = Annotated[
    str,
    Matching(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a date such as 2027-01-31", _accepted_by(date.fromisoformat)
    ),
]
Text = Annotated[str, Matching(r"[^\x00-\x1f\x7f]{1,400}", "text of 1 to 400 characters")]
Learning = Annotated[int, Within("1h", "90d")]
Span = Annotated[int, Within("1m", "1h")]
Factor = Annotated[int, Field(ge=2, le=1000)]
Skip = Annotated[
    tuple[NamedPattern, ...],
    Field(description="a list of roles such as '{apply}', which people never match"),
]
Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
RuleName = Literal[
    "first_time",
    "new_address",
    "burst",
    "out_of_hours",
    "denied_spike",
    "enumeration",
    "unwrap_failure",
    "root_token",
    "break_glass",
    "outside_apply",
]


class Rule(Section):
    """What every rule has."""

    enabled: bool = Field(_LEFT_OUT, description="true or false: whether the rule is used")
    severity: Literal["low", "medium", "high"] = Field(_LEFT_OUT, description="low, medium or high")
    meaning: Text = Field(
        _LEFT_OUT, description="text of 1 to 400 characters: what a finding means"
    )
    action: Text = Field(_LEFT_OUT, description="text of 1 to 400 characters: what to do")


class _History(Rule):
    """A rule that compares with what an actor did before."""

    learning: Learning = Field(
        _LEFT_OUT, description="a duration such as 14d, from the actor's first request"
    )
    skip: Skip = _LEFT_OUT


class FirstTime(_History):
    """An actor uses a path for the first time."""


class NewAddress(_History):
    """An actor, or a host of it, has a new address."""

    known: tuple[Network, ...] = Field(
        _LEFT_OUT, description="a list of networks whose addresses are never new"
    )


class Burst(Rule):
    """An actor has many more requests in an hour than it is used to have."""

    factor: Factor = Field(
        _LEFT_OUT,
        description="a whole number from 2 to 1000: how many times the usual requests of an hour",
    )
    minimum: Count = Field(
        _LEFT_OUT, description="a whole number of requests that the hour has at least"
    )
    baseline: Learning = Field(_LEFT_OUT, description="a duration such as 14d, before the hour")
    hours: Count = Field(
        _LEFT_OUT, description="a whole number of hours with requests, which a baseline needs"
    )
    skip: Skip = _LEFT_OUT


class OutOfHours(Rule):
    """A request outside the working hours."""

    days: Distinct[Weekday] = Field(
        _LEFT_OUT, description="a list of working days, such as [Mon, Tue]"
    )
    begin: Clock = Field(
        _LEFT_OUT, description="a time such as '07:00', when the working hours begin"
    )
    end: Clock = Field(_LEFT_OUT, description="a time such as '20:00', when the working hours end")
    time_zone: TimeZone = Field(_LEFT_OUT, description="a time zone such as Europe/Berlin")
    who: Literal["people", "all"] = Field(
        _LEFT_OUT, description="people or all: whose requests are compared"
    )


class DeniedSpike(Rule):
    """An actor is denied often within a short time."""

    count: Count = Field(_LEFT_OUT, description="a whole number of denied requests")
    within: Span = Field(_LEFT_OUT, description="a duration such as 10m, in which they are sent")


class Enumeration(Rule):
    """An actor lists, then reads many paths."""

    paths: Count = Field(_LEFT_OUT, description="a whole number of paths that are read")
    within: Span = Field(_LEFT_OUT, description="a duration such as 5m after the list")
    skip: Skip = _LEFT_OUT


class Counted(Rule):
    """A request that is a finding by itself."""

    count: Count = Field(_LEFT_OUT, description="a whole number of requests in an hour")


class BreakGlass(Counted):
    """A request of a token with a policy for emergencies."""

    policies: Distinct[NamedPattern] = Field(
        _LEFT_OUT, description="a list of policies such as 'break-glass*'"
    )


class OutsideApply(Counted):
    """A change of what only the apply job changes."""

    skip: Skip = _LEFT_OUT
    paths: Distinct[NamedPattern] = Field(
        _LEFT_OUT, description="a list of API paths such as 'sys/policies/*'"
    )


class Rules(Section):
    """The rules."""

    first_time: FirstTime = Field(_LEFT_OUT, description="a mapping with learning and skip")
    new_address: NewAddress = Field(_LEFT_OUT, description="a mapping with learning and known")
    burst: Burst = Field(_LEFT_OUT, description="a mapping with factor, minimum and baseline")
    out_of_hours: OutOfHours = Field(
        _LEFT_OUT, description="a mapping with days, begin, end and time_zone"
    )
    denied_spike: DeniedSpike = Field(_LEFT_OUT, description="a mapping with count and within")
    enumeration: Enumeration = Field(_LEFT_OUT, description="a mapping with paths and within")
    unwrap_failure: Counted = Field(_LEFT_OUT, description="a mapping with count")
    root_token: Counted = Field(_LEFT_OUT, description="a mapping with count")
    break_glass: BreakGlass = Field(_LEFT_OUT, description="a mapping with policies")
    outside_apply: OutsideApply = Field(_LEFT_OUT, description="a mapping with skip and paths")


class Ignored(Section):
    """Requests that a rule does not see until a date, because the operator has looked at them."""

    rule: RuleName = Field(description="a rule such as first_time")
    actor: Pattern = Field(description="the actor as findings name it, with '*' for any characters")
    path: Pattern = Field("*", description="an API path, with '*' for any characters")
    reason: Text = Field(description="text of 1 to 400 characters: why it is harmless")
    until: Until = Field(description="a date such as 2027-01-31, the last day")


class AnomalyRules(Section):
    """The file ``anomalies.yaml``."""

    people: tuple[Pattern, ...] = Field(
        _LEFT_OUT, description="a list of display names of people, such as 'oidc-*'"
    )
    rules: Rules = Field(_LEFT_OUT, description="a mapping with first_time and the like")
    ignore: tuple[Ignored, ...] = Field(
        (), description="a list of entries with rule, actor, path, reason and until"
    )


def is_active(ignored: Ignored, today: date) -> bool:
    """Return whether *ignored* still counts on *today*."""
    return today <= date.fromisoformat(ignored.until)


def active(entries: Iterable[Ignored], rule: str, today: date) -> list[Ignored]:
    """Return those of *entries* that count for *rule* on *today*."""
    return [each for each in entries if each.rule == rule and is_active(each, today)]
