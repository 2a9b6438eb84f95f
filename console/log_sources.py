"""Logs of an environment, and the store that they are ingested into."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console import operate
from console.audit_files import find_audit_files
from console.auditor_keys import unwrap_any
from console.operator_session import open_job_session
from vault.audit.ingest.index import Index
from vault.audit.ingest.ingestion import Ingested, ingest
from vault.audit.ingest.source import Source, find_records, find_server_logs, list_records
from vault.audit.store import check_folder
from vault.declare.server_names import AUDITOR_JOB


def default_store(environment: Environment, root: Path) -> Path:
    """Return the folder of an environment's store, which another environment does not share.

    Args:
        environment: The environment.
        root: Folder of the local deployment.

    """
    is_local = operate.is_local(environment, root)
    return root / ("audit" if is_local else f"audit-{environment}")


@dataclass(frozen=True, slots=True)
class LogSources:
    """What an operator names, by default the logs of the local deployment.

    Attributes:
        environment: The environment.
        audit_logs: Files of the server's audit devices, and folders of archives.
        records: Files and folders of access records, None to read none.
        root: Folder of the local deployment.

    """

    environment: Environment
    audit_logs: Sequence[Path]
    records: Sequence[Path] | None
    root: Path

    def find(self) -> list[Source]:
        """Return all files.

        Raises:
            ConfigurationError: If there is none.
            OSError: If a path does not exist.

        """
        files = find_audit_files(self.environment, self.audit_logs, self.root)
        found = [*find_server_logs(files.paths), *find_records(self._find_records())]
        if not found:
            raise ConfigurationError(
                f"no audit log of {self.environment} is known; name one with --audit-log"
            )
        return found

    def _find_records(self) -> Sequence[Path]:
        if self.records or self.records is None:
            return self.records or ()
        if not operate.is_local(self.environment, self.root):
            return ()
        logs = operate.local_deployment(self.root).layout.logs
        return list_records(logs) if logs.is_dir() else ()

    def update(
        self,
        store: Path,
        *,
        names: Collection[str] = (),
        now: datetime | None = None,
        keep: timedelta | None = None,
    ) -> Ingested:
        """Add to a store what is new in the logs.

        Args:
            store: Folder of the store.
            names: Plain texts of which the server's audit devices are asked for the HMACs.
            now: The current time.
            keep: How long lines are kept in the store.

        Raises:
            ConfigurationError: If a file is no log, or a folder has no segment, or there is no
                credential for *names* or for encrypted files that the store does not know.
            AccessDenied: If the credential may not ask the devices, or not decrypt.
            OSError: If a file cannot be read.

        """
        found = self.find()
        encrypted = [each.path for each in found if each.is_encrypted]
        needs_key = bool(encrypted) and not all(
            map(Index.load(check_folder(store)).knows, encrypted)
        )
        if not names and not needs_key:
            return ingest(found, store, now=now, keep=keep)
        with open_job_session(self.environment.value, self.root, AUDITOR_JOB) as session:
            unwrap = unwrap_any(session, self.environment)
            return ingest(
                *(found, store), now=now, keep=keep, unwrap=unwrap, session=session, names=names
            )
