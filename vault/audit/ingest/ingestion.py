"""Ingest of logs into the store: each line once, also if its file was renamed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app_integration._internal.private_file import lock
from app_integration.errors import ConfigurationError
from app_integration.observability.log_file_reader import Unwrap
from app_integration.session.session import Session
from vault.audit.damage import Damage, NamedDamage
from vault.audit.hmac_names import Names
from vault.audit.ingest.conversion import Converter, open_converter, open_path
from vault.audit.ingest.encrypted_log import EncryptedLog
from vault.audit.ingest.index import LogEntry
from vault.audit.ingest.kind import RECORDS
from vault.audit.ingest.line_check import clean
from vault.audit.ingest.log_file import LogFile, PlainLog, open_log
from vault.audit.ingest.piece import PIECE, Piece, write_pieces
from vault.audit.ingest.segment_log import open_segment
from vault.audit.ingest.source import Source
from vault.audit.ingest.store_writer import StoreWriter
from vault.audit.store import STORE, check_folder
from vault.owned_folder import create


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did; *lines* counts all that are in the store now."""

    lines: int
    new_lines: int
    dropped: int
    damage: tuple[NamedDamage, ...]


def ingest(
    sources: Iterable[Source],
    folder: Path,
    *,
    now: datetime | None = None,
    keep: timedelta | None = None,
    unwrap: Unwrap | None = None,
    session: Session | None = None,
    names: Collection[str] = (),
) -> Ingested:
    """Add to a store what is new in logs.

    An ingest at the same time waits. One that was killed loses nothing, and doubles nothing. The
    caller must not have the store open, because this waits for readers before it removes files.
    With a *session* the store also learns the HMACs of *names*.
    """
    folder = create(check_folder(folder), STORE)
    sources = list(sources)
    with lock(folder / ".lock"), open_converter(folder / "temporary") as converter:
        writer = StoreWriter(folder, converter)
        if session is not None:
            known = Names.load(folder)
            known.resolve(session, sorted({each.device for each in sources if each.device}), names)
            known.save()
        before, damage = _count_rows(writer), []
        for source in sources:
            damage += _Ingest(writer, converter, source, unwrap).run()
        new = _count_rows(writer) - before
        damage += writer.name_torn_ends()
        writer.merge()
        dropped = writer.drop_before(now - keep) if now is not None and keep is not None else 0
        lines = sum(part.rows for each in writer.index.logs.values() for part in each.parts)
    return Ingested(lines, new, dropped, tuple(damage))


def _count_rows(writer: StoreWriter) -> int:
    return sum(entry.rows for entry in writer.index.logs.values())


class _Ingest:
    """Ingest of one file."""

    def __init__(
        self, writer: StoreWriter, converter: Converter, source: Source, unwrap: Unwrap | None
    ) -> None:
        self._writer = writer
        self._converter = converter
        self._source = source
        self._unwrap = unwrap
        self._damage: list[Damage] = []

    def run(self) -> list[NamedDamage]:
        """Add what is new, and return the damage."""
        if not self._writer.index.knows(self._source.path):
            log = self._open()
            try:
                self._add(log, str(self._source.path.absolute()))
            finally:
                log.close()
        return [NamedDamage(str(self._source.path), each) for each in self._damage]

    def _open(self) -> LogFile:
        path, device = self._source.path, self._source.device
        if not self._source.is_encrypted:
            return open_log(path, device)
        if self._unwrap is None:
            raise ConfigurationError(
                f"{path} is encrypted, and there is no key to read it; decrypt it (audit read)"
            )
        if self._source.kind is RECORDS:
            return EncryptedLog(path, self._unwrap)
        return open_segment(path, device, self._unwrap)

    def _add(self, log: LogFile, path: str) -> None:
        if log.identity is None:
            if log.fault is not None:
                self._damage.append(Damage(1, 0, log.fault))
            return
        logs = self._writer.index.logs
        empty = LogEntry(self._source.kind.folder, self._source.device)
        entry = logs.setdefault(log.identity, empty)
        if not entry.is_ended and not self._add_directly(log, log.identity, entry):
            self._add_pieces(log, log.identity, entry)
        self._note_fault(log, entry)
        entry.is_ended |= log.is_ended
        entry.pending = log.stamp[2] - log.size if isinstance(log, PlainLog) else 0
        for other in logs.values():
            other.stamps.pop(path, None)
        entry.stamps[path] = log.stamp
        self._writer.index.save()

    def _note_fault(self, log: LogFile, entry: LogEntry) -> None:
        """Name a fault of the file as a whole, which is not that of a line."""
        if log.fault is not None:
            found = Damage(entry.lines + 1, entry.offset, log.fault)
            if entry.note(found):
                self._damage.append(found)

    def _add_directly(self, log: LogFile, identity: str, entry: LogEntry) -> bool:
        """Convert a file without a copy if it is new, whole and at rest; return whether it was."""
        if not isinstance(log, PlainLog) or entry.offset or log.size != log.stamp[2]:
            return False
        # The file that was opened, even if another process renames it.
        path = open_path(log.file.fileno())
        if path is None:
            return False
        source, pending = self._source, self._writer.pending
        with ThreadPoolExecutor(1) as threads:  # because the conversion leaves a core half idle
            lines = threads.submit(log.count_lines)
            converted = self._converter.convert(path, source.kind, source.device, pending)
        if converted is None or log.has_grown() or converted.rows != lines.result():
            return False
        entry.lines += converted.rows
        self._writer.commit(identity, log.size, converted, [])
        return True

    def _add_pieces(self, log: LogFile, identity: str, entry: LogEntry) -> None:
        blocks = log.blocks(entry.offset)
        copy = self._writer.temporary / "piece.json"
        for piece in write_pieces(blocks, copy, lambda: log.is_ended, PIECE):
            self._add_piece(piece, identity, entry)

    def _add_piece(self, piece: Piece, identity: str, entry: LogEntry) -> None:
        source, pending = self._source, self._writer.pending
        converted = self._converter.convert(piece.path, source.kind, source.device, pending)
        damage: list[Damage] = []
        if converted is None or converted.rows != piece.lines:
            with piece.path.open("rb") as file:
                found = clean(file, source.kind.grammar, entry.lines + 1, entry.offset)
            converted = self._converter.convert_lines(
                found.good, source.kind, source.device, pending
            )
            damage = found.damage
            entry.blank += found.blank
            entry.rescued += found.rescued
        entry.lines += piece.lines
        self._damage += damage
        self._writer.commit(identity, piece.size, converted, damage)
