"""Audit logs that the ledger and rotations ask: files, or a store if there are others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app_integration._internal.input_file import open_input
from console.target.audit_logs.audit_files import find_audit_files
from console.target.audit_logs.log_sources import LogSources, default_store
from console.target.target import Target
from console.views.damage import show_damage
from vault.audit.event_file import EventFile
from vault.audit.extra import import_extra
from vault.audit.ingest.log_file import is_compressed
from vault.audit.ingest.source import Source, find_server_logs
from vault.rotation.response_log import FileLog, ResponseLog
from vault.rotation.stored_log import StoredLog


def check_audit_logs(audit_logs: Sequence[Path], store: Path | None) -> None:
    """Check that what an operator names can be read, and has a line if it is no archive."""
    for source in find_server_logs(audit_logs):
        open_input(source.path).close()
        if not _needs_store(source.path):
            next(EventFile(source.path).responses(lambda _path: True), None)
    if store is not None or any(map(_needs_store, audit_logs)):
        import_extra("duckdb")


def open_response_log(
    target: Target, audit_logs: Sequence[Path], store: Path | None
) -> ResponseLog | None:
    """Return the logs that an operator names, by default those of the local deployment.

    The result is None if none is known. Plain files are read without the extra ``audit``.
    """
    files = find_audit_files(target, audit_logs)
    if store is None and not any(map(_needs_store, files.paths)):
        return FileLog.of(files.paths, files.namespace) if files.paths else None
    folder = store or default_store(target)
    # Further calls find the local deployment's logs again, so that the latest lines are in them.
    sources = LogSources(target, audit_logs, None)

    def update() -> None:
        if files.paths:
            show_damage(sources.update(folder).damage)

    return StoredLog(folder, files.namespace, update)


def _needs_store(path: Path) -> bool:
    return path.is_dir() or Source.server_log(path).is_encrypted or is_compressed(path)
