"""Logs of an environment, and the store that they are ingested into."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app_integration.errors import ConfigurationError
from console.target.audit_logs.audit_files import find_audit_files
from console.target.audit_logs.auditor_keys import unwrap_any
from console.target.sessions import open_job_session
from console.target.target import Target
from vault.audit.ingest.index import Index
from vault.audit.ingest.ingestion import Ingested, ingest
from vault.audit.ingest.source import Source, find_records, find_server_logs, list_records
from vault.audit.store import check_folder
from vault.declare.server_names import AUDITOR_JOB


def default_store(target: Target) -> Path:
    """Return the folder of an environment's store, which another environment does not share."""
    return target.root / ("audit" if target.is_local else f"audit-{target.environment}")


@dataclass(frozen=True, slots=True)
class LogSources:
    """What an operator names, by default the logs of the local deployment.

    *records* is None to read none.
    """

    target: Target
    audit_logs: Sequence[Path]
    records: Sequence[Path] | None

    def find(self) -> list[Source]:
        """Return all files."""
        files = find_audit_files(self.target, self.audit_logs)
        found = [*find_server_logs(files.paths), *find_records(self._find_records())]
        if not found:
            raise ConfigurationError(
                f"no audit log of {self.target.environment} is known; name one with --audit-log"
            )
        return found

    def _find_records(self) -> Sequence[Path]:
        if self.records or self.records is None:
            return self.records or ()
        if not self.target.is_local:
            return ()
        logs = self.target.local_deployment().layout.logs
        return list_records(logs) if logs.is_dir() else ()

    def update(
        self,
        store: Path,
        *,
        names: Collection[str] = (),
        now: datetime | None = None,
        keep: timedelta | None = None,
    ) -> Ingested:
        """Add to a store what is new in the logs, and remove lines older than *keep*.

        The server's audit devices are asked for the HMACs of *names*.
        """
        found = self.find()
        encrypted = [each.path for each in found if each.is_encrypted]
        needs_key = bool(encrypted) and not all(
            map(Index.load(check_folder(store)).knows, encrypted)
        )
        if not names and not needs_key:
            return ingest(found, store, now=now, keep=keep)
        with open_job_session(self.target, AUDITOR_JOB) as session:
            unwrap = unwrap_any(session, self.target)
            return ingest(
                *(found, store), now=now, keep=keep, unwrap=unwrap, session=session, names=names
            )
