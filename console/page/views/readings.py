"""What was read of one environment, for the views that show all of it."""

from __future__ import annotations

from dataclasses import dataclass

from console.page.sources.audit_summary import AuditSummary
from console.page.sources.cached_source import Reading
from console.page.sources.local_state import LocalState
from console.page.sources.server_state import ServerState
from vault.declare.declaration import Declaration
from vault.prometheus.alertmanager import Alert
from vault.reconcile.planning.partial import PartialPlan
from vault.rotation.ledger.ledger import Row


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read of one environment."""

    declaration: Reading[Declaration]
    server: Reading[ServerState]
    ledger: Reading[tuple[Row, ...]]
    audit: Reading[AuditSummary]
    local: Reading[LocalState] | None
    plan: Reading[PartialPlan]
    alerts: Reading[tuple[Alert, ...]] | None = None
