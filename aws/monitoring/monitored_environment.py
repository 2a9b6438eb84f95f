"""An environment that is watched, and the names of what watches it."""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.names import Environment
from aws.account import Account
from vault.declare.declaration import Declaration
from vault.declare.schema.aws_monitoring import AwsMonitoring
from vault.declare.schema.monitoring import Severity


@dataclass(frozen=True, slots=True)
class Watched:
    """An environment with monitoring."""

    environment: Environment
    account: Account
    deployment: str
    monitoring: AwsMonitoring

    @property
    def namespace(self) -> str:
        """Return the namespace of the metrics: ``strongroom/prod``."""
        return f"{self.deployment}/{self.environment}"

    @property
    def log_group(self) -> str:
        """Return the log group of CloudTrail: the declared one, or ``strongroom/prod``."""
        return self.monitoring.log_group or self.namespace

    @property
    def prefix(self) -> str:
        """Return what the names of filters begin with: ``strongroom-``."""
        return f"{self.deployment}-"

    @property
    def dashboard(self) -> str:
        """Return the name of the dashboard: ``strongroom-prod``."""
        return f"{self.prefix}{self.environment}"

    def topic(self, severity: Severity) -> str:
        """Return the ARN of the topic for alarms of a severity: the declared one, or one made."""
        declared = self.monitoring.page if severity == "page" else self.monitoring.ticket
        return declared or self.account.arn("sns", self.name(severity))

    def name(self, part: str) -> str:
        """Return the name of an alarm, or of a filter of no service."""
        return f"{self.dashboard}-{part}"


def find_watched(declaration: Declaration, environment: Environment) -> Watched | None:
    """Return *environment*, None if it has no monitoring."""
    declared = declaration.account(environment)
    if declared.monitoring is None:
        return None
    deployment = declaration.environment(environment).deployment
    return Watched(environment, Account.of(declared), deployment, declared.monitoring)
