"""Writer of the store: what is in it is in its index, and survives a kill at any point.

A Parquet file is written under another name, renamed, and then named in the index. A file that the
index does not name was left by a killed ingest, and is removed by the next.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import fsync_folder, lock
from vault.audit.damage import Damage, NamedDamage, Reason
from vault.audit.ingest.conversion import Converted, Converter
from vault.audit.ingest.index import Index, LogEntry, Part
from vault.audit.store import FOLDERS, PARQUET, SPILLED
from vault.owned_folder import remove_tree, subfolder

#: Parquet files of one log, after which they are merged.
MAX_PARTS: Final = 16


class StoreWriter:
    """Writer of a store, which the caller has locked."""

    def __init__(self, folder: Path, converter: Converter) -> None:
        """Create the writer, and remove what a killed one left."""
        self._folder = folder
        self._converter = converter
        self.temporary = folder / "temporary"
        for name in (*FOLDERS.values(), self.temporary.name):
            subfolder(folder, name)
        self.index = Index.load(folder)
        self._remove_orphans()

    def _remove_orphans(self) -> None:
        kept = {path.name for path in self.index.files()}
        remove_tree(self.temporary)
        self.temporary.mkdir(mode=0o700)
        orphans = [
            path
            for name in FOLDERS.values()
            for path in (self._folder / name).iterdir()
            if PARQUET.fullmatch(path.name) and path.name not in kept
        ]
        if orphans:
            with self._without_readers():
                for path in orphans:
                    path.unlink()
        # Those of a reader that was killed, unless another one reads now.
        with suppress(BlockingIOError), self._without_readers(wait=False):
            remove_tree(self._folder / SPILLED)

    def _without_readers(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """Keep readers waiting during the block, which begins when none has the store open."""
        return lock(self._folder, folder=True, wait=wait)

    @property
    def pending(self) -> Path:
        """Return the path of the next Parquet file, before it has its name."""
        return self.temporary / "pending"

    def commit(self, identity: str, size: int, converted: Converted, damage: list[Damage]) -> None:
        """Add the pending file to a log, which has its counts but the rows already."""
        entry = self.index.logs[identity]
        start, entry.offset = entry.offset, entry.offset + size
        entry.rows += converted.rows
        entry.add_damage(damage)
        entry.check_sum()
        if converted.first is not None and converted.last is not None:
            name = f"{identity[:16]}-{start:015}-{entry.offset:015}.parquet"
            self._publish(entry, name)
            entry.parts.append(Part(name, converted.rows, converted.first, converted.last))
        self.index.save()

    def name_torn_ends(self) -> list[NamedDamage]:
        """Name what follows the last newline of each log that has ended."""
        found = []
        for identity in self._find_ended():
            entry = self.index.logs[identity]
            damage = Damage(entry.lines + 1, entry.offset, Reason.TORN)
            if entry.pending and entry.note(damage):
                found.append(NamedDamage(next(iter(entry.stamps), ""), damage))
        if found:
            self.index.save()
        return found

    def merge(self) -> None:
        """Merge the files of each log that has ended, or that has many."""
        ended = self._find_ended()
        for identity, entry in self.index.logs.items():
            if len(entry.parts) > (1 if identity in ended else MAX_PARTS):
                self._merge(entry)

    def _find_ended(self) -> set[str]:
        """Return the logs that have ended, because their file says so or their device went on."""
        newest: dict[str | None, tuple[str, str]] = {}
        for identity, entry in self.index.logs.items():
            if entry.parts and entry.device is not None:
                latest = (entry.parts[-1].last, identity)
                newest[entry.device] = max(latest, newest.get(entry.device, latest))
        live = {identity for _, identity in newest.values()}
        return {
            identity
            for identity, entry in self.index.logs.items()
            if entry.is_ended or (entry.device is not None and identity not in live)
        }

    def _merge(self, entry: LogEntry) -> None:
        folder = self._folder / entry.folder
        parts = entry.parts
        self._converter.merge([folder / part.file for part in parts], self.pending)
        first, last = min(part.first for part in parts), max(part.last for part in parts)
        start, end = parts[0].file[:32], parts[-1].file[33:]
        with self._without_readers():
            merged = Part(f"{start}-{end}", sum(part.rows for part in parts), first, last)
            self._publish(entry, merged.file)
            entry.parts = [merged]
            self.index.save()
            for part in parts:
                (folder / part.file).unlink()

    def drop_before(self, time: datetime) -> int:
        """Remove the Parquet files all of whose lines are older than *time*.

        It returns the number of these lines. The index still has their logs, so that none is
        ingested again.
        """
        oldest = time.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        old: list[Part] = []
        files: list[Path] = []
        for entry in self.index.logs.values():
            outdated = [part for part in entry.parts if part.last < oldest]
            files += (self._folder / entry.folder / part.file for part in outdated)
            entry.parts = [part for part in entry.parts if part not in outdated]
            old += outdated
        if files:
            with self._without_readers():
                self.index.save()
                for file in files:
                    file.unlink()
        return sum(part.rows for part in old)

    def _publish(self, entry: LogEntry, name: str) -> None:
        """Make the pending file durable, and give it its name."""
        descriptor = os.open(self.pending, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o600)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = self._folder / entry.folder
        self.pending.replace(folder / name)
        fsync_folder(folder)
