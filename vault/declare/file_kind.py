"""Kinds of declaration files, apart from their models, which take long to import."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """A kind of declaration file."""

    SERVICE = "service"
    ENVIRONMENT = "environment"
    POLICY_TESTS = "policy-tests"
    ANOMALIES = "anomalies"
    MONITORING = "monitoring"
    ROLLOUT = "rollout"
    MIGRATION = "migration"
