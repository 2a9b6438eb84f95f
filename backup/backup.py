"""Backup of a database: one encrypted file, which was restored before it gets its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app_integration.encryption.files.digest import digest_file
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.names import Scope
from backup.folder import BackupFolder
from backup.label import BackupLabel
from backup.manifest import Entry
from backup.restore import Backup, Restored
from backup.source import Source
from vault.progress import Progress


@dataclass(frozen=True, slots=True)
class Finished:
    """A verified backup, and the names of the old ones that were *removed*."""

    entry: Entry
    restored: Restored
    removed: list[str]


def back_up(
    source: Source,
    scope: Scope,
    cipher: FileCipher,
    folder: BackupFolder,
    *,
    recipients: Sequence[str] = (),
    keep: timedelta | None = None,
    progress: Progress,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Finished:
    """Back up a database, and verify the backup by a restore into a scratch server.

    Backups of the service that are older than this one by *keep* are removed; None keeps them. If
    the backup fails, the folder is as before.
    """
    label = BackupLabel(scope, source.database, now())
    folder.check(label.file_name)
    with folder.unfinished() as unfinished:
        file = unfinished / label.file_name
        with cipher.create(file, context=label.context(), recipients=recipients) as plaintext:
            source.write(plaintext, progress)
        restored = Backup(file, label, cipher, progress).drill()
        entry = describe(file, restored, progress, now())
        removed = folder.add(file, entry, None if keep is None else entry.created - keep)
    return Finished(entry, restored, removed)


def describe(file: Path, restored: Restored, progress: Progress, verified: datetime) -> Entry:
    """Return the manifest's entry of a backup, whose restore ended at *verified*."""
    label, size = restored.label, file.stat().st_size
    with progress("digest", size) as advance:
        digest = digest_file(file, advance)
    return Entry(
        file=label.file_name,
        service=label.scope.service,
        environment=str(label.scope.environment),
        database=label.database,
        created=label.created,
        verified=verified.astimezone(UTC).replace(microsecond=0),
        size=size,
        digest=digest,
        tables=restored.tables,
        rows=restored.facts.rows,
    )
