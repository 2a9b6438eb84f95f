"""Findings and trials as JSON for programs. The keys do not change; times are in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from app_integration.names import Environment
from vault.audit.anomalies.backtest import Trial
from vault.audit.anomalies.detection import find_learning
from vault.audit.anomalies.finding import Evidence, Finding
from vault.audit.anomalies.requests import Span
from vault.audit.anomalies.rules_reader import NAMES, rule_of
from vault.declare.schema.anomalies import AnomalyRules, Ignored
from vault.reconcile.server_time import format_time


def findings_document(
    environment: Environment,
    rules: AnomalyRules,
    findings: Iterable[Finding],
    span: Span,
    since: datetime,
    expired: Iterable[Ignored],
) -> dict[str, Any]:
    """Return the findings as a JSON document."""
    return {
        "environment": environment.value,
        "since": format_time(since),
        "log": _span(span),
        "rules": {
            name: rule_of(rules, name).model_dump(
                include={"enabled", "severity", "meaning", "action"}
            )
            for name in NAMES
        },
        "learning": find_learning(rules, span),
        "ignore_expired": [each.model_dump() for each in expired],
        "findings": [_finding(each) for each in findings],
    }


def trials_document(
    environment: Environment, trials: Iterable[Trial], span: Span, since: datetime
) -> dict[str, Any]:
    """Return the trials of a backtest as a JSON document."""
    return {
        "environment": environment.value,
        "since": format_time(since),
        "log": _span(span),
        "trials": [_trial(each) for each in trials],
    }


def _span(span: Span) -> dict[str, Any]:
    first, last = format_time(span.first), format_time(span.last)
    return {"first": first, "last": last, "requests": span.count}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "rule": finding.rule,
        "severity": finding.severity,
        "actor": finding.actor,
        "is_person": finding.is_person,
        "host": finding.host,
        "subject": finding.subject or None,
        "slot": format_time(finding.slot),
        "first": format_time(finding.first),
        "last": format_time(finding.last),
        "count": finding.count,
        "usual": finding.usual,
        "evidence": [_evidence(each) for each in finding.evidence],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return asdict(evidence) | {"time": f"{evidence.time.isoformat(timespec='microseconds')}Z"}


def _trial(trial: Trial) -> dict[str, Any]:
    actors = [{"actor": actor, "findings": count} for actor, count in trial.actors]
    per_week = round(trial.per_week, 2)
    return asdict(trial) | {"per_week": per_week, "actors": actors}
