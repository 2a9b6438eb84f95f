"""Chain of an archive: a file of JSON lines, each with the hash of the line before it.

A process that can write the folder can write another chain. The hash of the newest entry, kept
elsewhere, shows that.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import read_input
from app_integration._internal.private_file import fsync_folder
from app_integration.encryption.files.streams import write_at
from vault.audit.archive.entry import (
    NO_ENTRY,
    SUFFIX,
    Deletion,
    Entry,
    Segment,
    hash_entry,
    parse_entry,
)
from vault.audit.archive.errors import ArchiveFailed
from vault.owned_folder import FolderKind

FILE: Final = "chain.jsonl"
_MAX_SIZE: Final = 1024 * 1024 * 1024  # bytes, of a million segments


def _is_earlier(_folder: Path, names: Collection[str]) -> bool:
    """Return whether there is a chain, or the segment that a killed first run has left."""
    return FILE in names or any(name.endswith(SUFFIX) for name in names)


ARCHIVE: Final = FolderKind("archive", "archive of audit logs", "--folder", _is_earlier)


@dataclass(frozen=True, slots=True)
class Chain:
    """Entries of a chain, in order."""

    entries: tuple[Entry, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """Return the hash of the newest entry."""
        return hash_entry(self.entries[-1]) if self.entries else NO_ENTRY

    @property
    def next_sequence(self) -> int:
        """Return the sequence of the next entry."""
        return self.entries[-1].sequence + 1 if self.entries else 1

    @property
    def segments(self) -> list[Segment]:
        """Return the segments, the deleted ones too."""
        return [entry for entry in self.entries if isinstance(entry, Segment)]

    @property
    def deletions(self) -> list[Deletion]:
        """Return the deletions."""
        return [entry for entry in self.entries if isinstance(entry, Deletion)]

    @property
    def deleted(self) -> frozenset[int]:
        """Return the sequences of the segments that were deleted."""
        return frozenset(each for entry in self.deletions for each in entry.segments)


def parse_chain(data: bytes) -> Chain:
    """Return the chain that is in *data*, with the errors of its lines."""
    entries: list[Entry] = []
    findings: list[str] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line:
            findings += _add(entries, line, number)
    if data and not data.endswith(b"\n"):
        findings.append(f"{FILE}: its last line has no end; a run was killed, or it was cut")
    return Chain(tuple(entries), tuple(findings))


def _add(entries: list[Entry], line: bytes, number: int) -> Iterator[str]:
    """Add the entry in *line* to *entries*, and yield its errors."""
    before = Chain(tuple(entries[-1:]))
    try:
        entry = parse_entry(line)
    except ValueError as error:
        yield f"{FILE} line {number}: {error}"
        return
    entries.append(entry)
    if (entry.previous, entry.sequence) != (before.head, before.next_sequence):
        where = "is not the first entry" if number == 1 else "does not follow the line before it"
        yield f"{FILE} line {number}: {where}; a line was altered, removed or moved"


@dataclass(frozen=True, slots=True)
class ChainFile:
    """File of the chain in *folder*. One process at a time writes it."""

    folder: Path

    @property
    def _path(self) -> Path:
        return self.folder / FILE

    def read(self) -> Chain:
        """Return the chain, which is empty if there is none."""
        try:
            return parse_chain(read_input(self._path, _MAX_SIZE))
        except FileNotFoundError:
            return Chain()

    def repair(self) -> Chain:
        """Complete or remove a last line that a killed run has not ended; return the chain.

        A whole entry stays. Of a part of one the log is still there, because it is removed last.
        """
        chain = self.read()
        if not chain.findings:
            self._check_not_lost(chain)
            return chain
        data = self._path.read_bytes()
        kept = data[: data.rfind(b"\n") + 1]
        if not parse_chain(data + b"\n").findings:
            kept = data + b"\n"
        chain = parse_chain(kept)
        if chain.findings:
            raise ArchiveFailed(
                f"{self._path} is damaged: {chain.findings[0]}. Nothing was archived. Look with "
                "strongroom audit verify, keep the folder, and begin another one"
            )
        start = min(len(kept), len(data))
        self._write(start, kept[start:])
        return chain

    def _check_not_lost(self, chain: Chain) -> None:
        """Check that no chain is missing from the archive. A killed first run leaves one file."""
        if not chain.entries and len([*self.folder.glob(f"*{SUFFIX}")]) > 1:
            raise ArchiveFailed(
                f"{self._path} is missing or empty, but there are segments. Nothing was archived. "
                "Restore it, or keep the folder, and begin another one"
            )

    def append(self, chain: Chain, entry: Entry) -> Chain:
        """Add *entry* durably, and return the chain with it.

        *chain* is what :meth:`repair` or the last call returned.
        """
        size = self._path.stat().st_size if chain.entries else 0
        self._write(size, entry.render() + b"\n")
        return Chain((*chain.entries, entry))

    def _write(self, offset: int, data: bytes) -> None:
        """Truncate the file at *offset* and append *data*."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, offset)
            try:
                write_at(descriptor, memoryview(data), offset)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, offset)  # because a full disk takes a part of a line
                raise
        finally:
            os.close(descriptor)
        fsync_folder(self.folder)
