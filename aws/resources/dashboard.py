"""Dashboards of CloudWatch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.reader import AwsReader
from aws.resources import policy_text
from vault.reconcile.resources import Fields

_SERVICE: Final = "cloudwatch"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard; *body* is JSON, as :func:`aws.resources.policy_text` returns it."""

    kind: ClassVar[str] = "dashboard"

    name: str
    body: str

    def desired(self) -> Fields:
        """Return the widgets."""
        return {"body": self.body}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the widgets, None if there is no such dashboard."""
        found = reader.get(
            _SERVICE, "GetDashboard", self.name, "DashboardBody", DashboardName=self.name
        )
        return found and {"body": policy_text(json.loads(found["DashboardBody"]))}

    def write(self, session: AwsConnection, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create the dashboard, or replace it."""
        parameters = {"DashboardName": self.name, "DashboardBody": self.body}
        session.call(AwsRequest(_SERVICE, "PutDashboard", self.name, parameters))
