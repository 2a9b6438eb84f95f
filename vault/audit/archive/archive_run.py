"""Archive of audit logs: each log becomes a segment, and is removed when the chain has that.

The order of the steps decides what a kill leaves. The log is renamed, the server opens another one,
the segment's file is written and read back and gets its name, the chain gets the entry, and only
then the renamed log is removed. A run begins with the renamed logs that it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app_integration._internal import private_file
from app_integration.encryption.files.digest import digest_file
from app_integration.errors import ConfigurationError
from vault.audit.archive.chain import ARCHIVE, Chain, ChainFile
from vault.audit.archive.entry import Deletion, Segment
from vault.audit.archive.errors import ArchiveFailed
from vault.audit.archive.live_log import LiveLog, RotatedLog, Writers
from vault.audit.archive.log_facts import LogFacts, scan_file
from vault.audit.archive.reload import Reopening, is_reopened
from vault.audit.archive.segment_file import SegmentWriter
from vault.owned_folder import check, claim


def find_expired(chain: Chain, now: datetime, keep: timedelta) -> tuple[Segment, ...]:
    """Return the segments whose last line is older than *keep*, and that are not deleted yet.

    The newest segment of each log stays, because the archive of a log is never empty then.
    """
    deleted = chain.deleted
    newest = {segment.log: segment.sequence for segment in chain.segments}
    return tuple(
        segment
        for segment in chain.segments
        if segment.newest < now - keep
        and segment.sequence not in deleted
        and segment.sequence != newest[segment.log]
    )


@dataclass(slots=True)
class Archived:
    """What a run has done."""

    segments: list[Segment] = field(default_factory=list)
    deleted: tuple[Segment, ...] = ()
    failures: list[str] = field(default_factory=list)
    head: str = ""


@dataclass(frozen=True, slots=True)
class Archiver:
    """Archives logs to *folder*.

    *open_writer* is called before anything is renamed, because it may send a request. *keep* is
    None to delete no segment.
    """

    folder: Path
    logs: Sequence[LiveLog]
    open_writer: Callable[[], SegmentWriter]
    reopening: Reopening
    keep: timedelta | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self) -> Archived:
        """Archive the logs, and delete what was kept long enough."""
        names = [log.name for log in self.logs]
        if len({*names}) < len(names):
            raise ConfigurationError("two logs have one name; archive them to two folders")
        if not self.folder.is_dir():
            raise ConfigurationError(f"{self.folder} is not a folder; create it first")
        folder = check(self.folder, ARCHIVE)
        folders = {folder, *(log.path.parent.resolve() for log in self.logs)}
        with ExitStack() as locks:
            for each in folders:
                locks.enter_context(_exclusive(each))
            claim(folder, ARCHIVE)
            return self._run()

    def _run(self) -> Archived:
        chain_file = ChainFile(self.folder)
        run = _Run(self, chain_file, chain_file.repair())
        waiting = {log: log.rotated() for log in self.logs}
        for log, rotated in waiting.items():
            _check_exists(log, rotated)
        has_lines = [log.has_lines() for log in self.logs]  # of all, because it checks them
        writer = self.open_writer() if any(has_lines) or any(waiting.values()) else None
        run.delete()
        if writer is not None:
            for log in run.rotate(waiting):
                run.archive(log, waiting[log], writer)
        run.done.head = run.chain.head
        return run.done


@dataclass(slots=True)
class _Run:
    """State of a run of *archiver*."""

    archiver: Archiver
    chain_file: ChainFile
    chain: Chain
    done: Archived = field(default_factory=Archived)

    def delete(self) -> None:
        """Delete what was kept long enough, after the chain has it.

        Before the new segments, because the files of these confirm all entries before them.
        """
        keep, folder = self.archiver.keep, self.archiver.folder
        now = self.archiver.now()
        if keep is not None and (expired := find_expired(self.chain, now, keep)):
            sequences = tuple(segment.sequence for segment in expired)
            position = self.chain.next_sequence, self.chain.head
            deletion = Deletion(*position, now, keep.days, sequences)
            self.chain = self.chain_file.append(self.chain, deletion)
            self.done.deleted = expired
        # Those of a killed run, too.
        deleted = self.chain.deleted
        for segment in self.chain.segments:
            if segment.sequence in deleted:
                (folder / segment.file).unlink(missing_ok=True)

    def rotate(self, waiting: dict[LiveLog, list[RotatedLog]]) -> list[LiveLog]:
        """Rename the logs, and let the server open new ones; return those that it opened.

        The renamed files are added to *waiting*.
        """
        now = self.archiver.now()
        renamed: dict[LiveLog, RotatedLog] = {}
        failed: dict[LiveLog, str] = {}
        for log, found in waiting.items():
            try:
                if log.has_lines():
                    found.append(log.rename(now))
            except (ArchiveFailed, OSError) as error:
                failed[log] = f"{log.path} cannot be renamed: {error}"
            else:
                if found and not is_reopened(log, found[-1]):
                    renamed[log] = found[-1]
        failed |= self.archiver.reopening.reopen(renamed) if renamed else {}
        self.done.failures += failed.values()
        return [log for log in waiting if log not in failed]

    def archive(self, log: LiveLog, found: Sequence[RotatedLog], writer: SegmentWriter) -> None:
        """Archive the files that a log was renamed to, the oldest first."""
        for rotated in found:
            if rotated.writers() is Writers.SOME:
                self.done.failures.append(
                    f"{rotated.path} is still open for writing; if the server has just started, "
                    "run this again after two minutes, otherwise find the process with fuser"
                )
                return
            self._archive(log, rotated, writer)

    def _archive(self, log: LiveLog, rotated: RotatedLog, writer: SegmentWriter) -> None:
        facts, folder = scan_file(rotated.path), self.archiver.folder
        position = self.chain.next_sequence, self.chain.head
        segment = Segment(*position, log.name, rotated.rotated, facts)
        known = [each for each in self.chain.segments if each.file == segment.file]
        if known and (known[0].facts != facts or not _is_intact(folder, known[0])):
            raise ArchiveFailed(
                f"{rotated.path} is in the chain, but {segment.file} is missing, or has another "
                "content. The log stays; look with strongroom audit verify"
            )
        if facts.size and not known:
            segment = writer.write(rotated.path, folder, segment)
            _check_unchanged(rotated, facts)
            self.chain = self.chain_file.append(self.chain, segment)
            self.done.segments.append(segment)
        _check_unchanged(rotated, facts)
        rotated.path.unlink()
        private_file.fsync_folder(rotated.path.parent)


def _check_exists(log: LiveLog, rotated: Sequence[RotatedLog]) -> None:
    """Check that a reload of the server loses nothing."""
    if log.path.exists() or (rotated and rotated[-1].writers() is not Writers.NONE):
        return
    raise ArchiveFailed(
        f"{log.path} does not exist, and nothing was renamed. If the server runs, it writes to a "
        "deleted file, whose lines are lost at its next reload: copy them first, from "
        "/proc/PID/fd of the server"
    )


def _check_unchanged(rotated: RotatedLog, facts: LogFacts) -> None:
    if rotated.path.stat().st_size != facts.size:
        raise ArchiveFailed(f"{rotated.path} is still written to; find the process with fuser")


def _is_intact(folder: Path, segment: Segment) -> bool:
    path = folder / segment.file
    return path.is_file() and digest_file(path) == segment.digest


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Lock *folder* during the block, or raise ArchiveFailed if another run has locked it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(private_file.lock(folder, folder=True, wait=False))
        except BlockingIOError:
            raise ArchiveFailed(f"{folder}: another run is under way; wait for its end") from None
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigurationError(f"{folder} is not a folder; create it first") from None
        yield
