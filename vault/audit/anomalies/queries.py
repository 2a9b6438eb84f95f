"""One query for each rule, over the table ``requests``.

Each returns the columns of :data:`COLUMNS`: one row for each finding, or for what another function
decides about. Times are in UTC, and lines are in no order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from vault.audit.anomalies.patterns import build_expression
from vault.audit.event_columns import NO_TOKEN
from vault.audit.store import quote
from vault.declare.schema.anomalies import AnomalyRules, active

COLUMNS: Final = (
    *("actor", "is_person", "host", "subject", "slot"),
    *("first", "last", "count", "usual", "evidence"),
)
#: Requests that a finding shows, the earliest ones.
SHOWN: Final = 5

_ROW: Final = (
    "{'time': time, 'request_id': CAST(request_id AS VARCHAR), 'operation': operation,"
    " 'path': path, 'address': address}"
)
_EVIDENCE: Final = f"min_by({_ROW}, time, {SHOWN})"
_WHO: Final = "actor, is_person, host"
_SAME: Final = " AND ".join(f"r.{each} IS NOT DISTINCT FROM f.{each}" for each in _WHO.split(", "))
_SPAN: Final = f"min(time) AS first, max(time) AS last, count(*) AS count, {_EVIDENCE} AS evidence"
#: Roles of the jobs of each deployment on the server.
_JOBS: Final = ("*-plan", "*-apply", "*-rotator", "*-auditor")
#: Condition of a request that logs in.
LOGIN: Final = "regexp_matches(path, '^auth/.+/login(/|$)')"


@dataclass(frozen=True, slots=True)
class RuleContext:
    """Rules, and what else their queries depend on.

    *own* has the names of the deployment and its services; without any, every object counts as its
    own. *namespace* is empty for the root namespace.
    """

    rules: AnomalyRules
    names: Mapping[str, str]
    namespace: str
    today: date
    own: tuple[str, ...] = ()

    def seen(self, rule: str, skip: tuple[str, ...] = ()) -> str:
        """Return the condition of requests that *rule* looks at, without the roles of *skip*."""
        ignored = [
            f"regexp_full_match(actor, {quote(build_expression([each.actor]))})"
            f" AND regexp_full_match(path, {quote(build_expression([each.path]))})"
            for each in active(self.rules.ignore, rule, self.today)
        ]
        if skip:
            roles = quote(build_expression(skip, self.names))
            ignored.append(f"regexp_full_match(role, {roles})")
        return " AND ".join(f"NOT coalesce({each}, false)" for each in ignored) or "true"

    def is_of_others(self) -> str:
        """Return the condition of requests of another deployment's job for an object of its own."""
        if not self.own:
            return "false"
        names = "|".join(re.escape(each).replace(r"\-", "[-/]") for each in self.own)
        own, jobs = f"(^|/)({names})([-/]|$)", build_expression(_JOBS)
        return (
            f"regexp_full_match(coalesce(role, ''), {quote(jobs)})"
            f" AND NOT regexp_matches(path, {quote(own)})"
            " AND (NOT starts_with(path, 'sys/') OR starts_with(path, 'sys/policies/'))"
        )


def first_time(context: RuleContext) -> str:
    """Return the query of paths that an actor used for the first time after it had learned."""
    rule = context.rules.rules.first_time
    seen = f"is_value AND has_history AND {context.seen('first_time', rule.skip)}"
    return f"""
        WITH started AS (
            SELECT actor, is_person, min(time) AS start FROM requests
            WHERE has_history GROUP BY ALL
        )
        SELECT actor, is_person, any_value(host) AS host, path AS subject,
            date_trunc('day', min(time)) AS slot,
            min(time) AS first, max(time) AS last, count(*) AS count, NULL AS usual,
            [min_by({_ROW}, time)] AS evidence
        FROM requests
        WHERE outcome = 'ok' AND {seen}
        GROUP BY actor, is_person, path
        HAVING min(time) >= (
            SELECT start FROM started
            WHERE started.actor = requests.actor AND started.is_person = requests.is_person
        ) + INTERVAL {rule.learning} SECOND
    """


def new_address(context: RuleContext) -> str:
    """Return the query of addresses that are new for a known actor, or for a host of it."""
    rule = context.rules.rules.new_address
    return f"""
        WITH started AS (
            SELECT actor, is_person, min(time) AS start FROM requests
            WHERE has_history GROUP BY ALL
        ), addresses AS (
            SELECT {_WHO}, address AS subject, min(time) AS first, max(time) AS last,
                count(*) AS count, {_EVIDENCE} AS evidence
            FROM requests
            WHERE has_history AND address IS NOT NULL
                AND {context.seen("new_address", rule.skip)}
            GROUP BY ALL
        )
        SELECT {_WHO}, subject, date_trunc('day', first) AS slot, first, last, count,
            NULL AS usual, evidence
        FROM addresses JOIN started USING (actor, is_person)
        WHERE first >= start + INTERVAL {rule.learning} SECOND
    """


def burst(context: RuleContext) -> str:
    """Return the query of hours with many more requests than the actor's own busiest ones."""
    rule = context.rules.rules.burst
    seen = f"is_value AND has_history AND {context.seen('burst', rule.skip)}"
    return f"""
        WITH hourly AS (
            SELECT {_WHO}, date_trunc('hour', time) AS slot, count(*) AS count
            FROM requests WHERE {seen} GROUP BY ALL
        ), f AS (
            SELECT *, quantile_cont(count, 0.95) OVER before AS usual, count(*) OVER before AS hours
            FROM hourly
            WINDOW before AS (
                PARTITION BY {_WHO} ORDER BY slot
                RANGE BETWEEN INTERVAL {rule.baseline} SECOND PRECEDING
                    AND INTERVAL 1 HOUR PRECEDING
            )
            QUALIFY hours >= {rule.hours} AND count >= {rule.minimum}
                AND count >= {rule.factor} * usual
        )
        SELECT f.actor, f.is_person, f.host, '' AS subject, f.slot, min(time) AS first,
            max(time) AS last, f.count, f.usual, {_EVIDENCE} AS evidence
        FROM f JOIN (SELECT * FROM requests WHERE {seen}) AS r
            ON {_SAME} AND date_trunc('hour', r.time) = f.slot
        GROUP BY f.actor, f.is_person, f.host, f.slot, f.count, f.usual
    """


def out_of_hours(context: RuleContext) -> str:
    """Return the query of all quarters of an hour with requests, inside and outside the hours."""
    rule = context.rules.rules.out_of_hours
    people = "is_person" if rule.who == "people" else "has_history"
    return f"""
        SELECT {_WHO}, '' AS subject, time_bucket(INTERVAL 15 MINUTE, time) AS slot, {_SPAN},
            NULL AS usual
        FROM requests
        WHERE {people} AND {context.seen("out_of_hours")}
        GROUP BY {_WHO}, slot
    """


def denied_spike(context: RuleContext) -> str:
    """Return the query of hours in which an actor, or an address without a token, was denied."""
    rule = context.rules.rules.denied_spike
    source = "CASE WHEN NOT has_token THEN coalesce(address, '') ELSE '' END"
    return f"""
        SELECT {_WHO}, subject, slot, min(time) AS first, max(time) AS last, max(near) AS count,
            NULL AS usual, {_EVIDENCE} AS evidence
        FROM (
            SELECT *, {source} AS subject, date_trunc('hour', time) AS slot,
                count(*) OVER (
                    PARTITION BY {_WHO}, {source} ORDER BY time
                    RANGE BETWEEN INTERVAL {rule.within} SECOND PRECEDING AND CURRENT ROW
                ) AS near
            FROM requests
            WHERE (outcome = 'denied' OR (outcome = 'failed' AND NOT is_fault AND {LOGIN}))
                AND {context.seen("denied_spike")}
        )
        WHERE near >= {rule.count}
        GROUP BY {_WHO}, subject, slot
    """


def enumeration(context: RuleContext) -> str:
    """Return the query of hours in which an actor listed, and then read many paths."""
    rule = context.rules.rules.enumeration
    seen = f"is_value AND has_history AND {context.seen('enumeration', rule.skip)}"
    # A reader of a secret may read its metadata, too.
    target = "regexp_replace(path, '/(metadata|subkeys)/', '/data/')"
    return f"""
        SELECT {_WHO}, '' AS subject, date_trunc('hour', time) AS slot, min(time) AS first,
            max(time) AS last, max(near) AS count, NULL AS usual, {_EVIDENCE} AS evidence
        FROM (
            SELECT *, count(DISTINCT CASE WHEN operation <> 'list' THEN {target} END) OVER (
                PARTITION BY {_WHO} ORDER BY time
                RANGE BETWEEN CURRENT ROW AND INTERVAL {rule.within} SECOND FOLLOWING
            ) AS near
            FROM requests
            WHERE {seen} AND operation IN ('list', 'read') AND (actor, is_person) IN (
                SELECT (actor, is_person) FROM requests WHERE {seen} AND operation = 'list'
            )
        )
        WHERE operation = 'list' AND near >= {rule.paths}
        GROUP BY {_WHO}, slot
    """


def root_token(context: RuleContext) -> str:
    """Return the query of hours in which a token with the root policy was used."""
    return _counted(context, "root_token", "is_root", context.rules.rules.root_token.count)


def break_glass(context: RuleContext) -> str:
    """Return the query of hours in which a token with a policy for emergencies was used."""
    count = context.rules.rules.break_glass.count
    return _counted(context, "break_glass", "is_break_glass", count)


def outside_apply(context: RuleContext) -> str:
    """Return the query of hours in which another actor changed what only apply changes."""
    rule = context.rules.rules.outside_apply
    paths = quote(build_expression(rule.paths, context.names))
    # The use of a root token is a finding of its own.
    condition = (
        "operation IN ('create', 'update', 'patch', 'delete') AND outcome = 'ok' AND NOT is_root"
        f" AND regexp_full_match(path, {paths}) AND NOT ({context.is_of_others()})"
    )
    return _counted(context, "outside_apply", condition, rule.count, rule.skip)


def _counted(
    context: RuleContext, name: str, condition: str, count: int, skip: tuple[str, ...] = ()
) -> str:
    """Return the query of hours with at least *count* requests that meet *condition*."""
    return f"""
        SELECT {_WHO}, '' AS subject, date_trunc('hour', time) AS slot, {_SPAN}, NULL AS usual
        FROM requests WHERE {condition} AND {context.seen(name, skip)}
        GROUP BY {_WHO}, slot
        HAVING count(*) >= {count}
    """


def unwrap_failure(context: RuleContext) -> str:
    """Return the query of wrapping tokens that were opened a second time, or too late.

    The server refuses such a token before it answers the request, so that the log has no response.
    The first row of evidence is the request that opened it, if the log has that one.
    """
    count = context.rules.rules.unwrap_failure.count
    return f"""
        WITH failed AS (
            SELECT *, '{NO_TOKEN}' AS actor FROM lines
            WHERE regexp_full_match(path, 'sys/wrapping/(unwrap|lookup|rewrap)')
                AND coalesce(error, '') <> '' AND namespace = {quote(context.namespace)}
            QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY device, type) = 1
        ), opened AS (
            SELECT device, token, min_by({_ROW}, time) AS opening FROM lines
            WHERE path = 'sys/wrapping/unwrap' AND type = 'response' AND coalesce(error, '') = ''
                AND list_contains(policies, 'response-wrapping')
            GROUP BY ALL
        )
        SELECT actor, false AS is_person, NULL AS host, coalesce(token, '') AS subject,
            CAST(date_trunc('hour', time) AS TIMESTAMP) AS slot,
            CAST(min(time) AS TIMESTAMP) AS first, CAST(max(time) AS TIMESTAMP) AS last,
            count(*) AS count, NULL AS usual,
            list_concat([any_value(opening)], {_EVIDENCE}) AS evidence
        FROM failed LEFT JOIN opened USING (device, token)
        WHERE {context.seen("unwrap_failure")}
        GROUP BY actor, subject, slot
        HAVING count(*) >= {count}
    """


#: Name of a rule → function that returns its query.
QUERIES: Final = {
    "first_time": first_time,
    "new_address": new_address,
    "burst": burst,
    "out_of_hours": out_of_hours,
    "denied_spike": denied_spike,
    "enumeration": enumeration,
    "unwrap_failure": unwrap_failure,
    "root_token": root_token,
    "break_glass": break_glass,
    "outside_apply": outside_apply,
}
