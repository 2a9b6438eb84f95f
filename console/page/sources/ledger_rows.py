"""Rows of the ledger, from the server's metadata and the audit logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from app_integration.errors import StrongroomError
from app_integration.mounts import Mounts
from app_integration.names import Environment
from app_integration.session.session import Session
from console.page.sources.read_threads import read_all
from vault.declare.declaration import Declaration
from vault.reconcile.resources.ownership import Owner
from vault.rotation.inventory import Item, declared_items
from vault.rotation.ledger.last_reads import AuditLogs, read_audit_logs
from vault.rotation.ledger.ledger import Row, build_ledger
from vault.rotation.record import Record, RecordStore
from vault.rotation.response_log import ResponseLog
from vault.rotation.server_ages import Age, read_ages


@dataclass(slots=True)
class LedgerLogs:
    """Audit logs of an environment. Each read after the first reads only new lines."""

    open: Callable[[], ResponseLog | None]
    _log: ResponseLog | None = None
    _items: list[Item] = field(default_factory=list)
    _known: AuditLogs = field(default_factory=AuditLogs)

    def read(self, items: list[Item], mounts: Mounts) -> AuditLogs | None:
        """Return what the logs say about *items*, None without a log that can be read."""
        try:
            if self._log is None or items != self._items:
                self._log, self._items, self._known = self.open(), items, AuditLogs()
            if self._log is not None:
                return read_audit_logs(self._log, items, mounts, self._known)
        except (StrongroomError, OSError):
            pass  # because the page reports it as that of the audit log, and most ages need no log
        return None


def read_ledger_rows(
    session: Session,
    declaration: Declaration,
    environment: Environment,
    logs: LedgerLogs,
    now: datetime,
) -> tuple[Row, ...]:
    """Return the rows of an environment."""
    declared = declaration.environment(environment)
    owner, items = Owner.of(declared), declared_items(declaration, environment)
    read_age = partial(read_ages, session, mounts=declared.mounts, now=now)

    def read(item: Item) -> tuple[list[Age], Record | None]:
        return read_age(item), RecordStore(session, owner, item).read()

    found = dict(zip(items, read_all(read, items), strict=True))
    known = logs.read(items, declared.mounts)
    rows = build_ledger(items, lambda item: found[item][0], known, now, lambda item: found[item][1])
    return tuple(rows)
