"""Reader of the encrypted files of a log: records in order, and what is missing or altered."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Final, TypeAlias

from app_integration.names import Scope
from app_integration.observability.log_file_reader import LogFileReader, Unwrap
from app_integration.observability.log_writer import SUFFIX

_Writer: TypeAlias = tuple[str, bytes]  # log, writer
_Timed: TypeAlias = tuple[float, bytes]


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files of logs among *paths*, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(each for each in path.iterdir() if SUFFIX in each.name)
        else:
            path.stat()
            found.append(path)
    return list(dict.fromkeys(found))


class LogReader:
    """Reader of files and folders."""

    def __init__(
        self,
        paths: Sequence[Path],
        unwrap: Unwrap,
        report: Callable[[str], None],
        scope: Scope | None = None,
    ) -> None:
        """Create the reader; nothing is read yet."""
        self._paths = paths
        self._unwrap = unwrap
        self._report = report
        self._scope = scope
        self._files: dict[Path, LogFileReader] = {}
        self._by_place: dict[tuple[_Writer, int], LogFileReader] = {}
        self._reported: set[str] = set()
        self._gaps: set[str] = set()
        self.has_fault = False

    def read(self) -> Iterator[bytes]:
        """Yield all verified records, those of several writers in the order of their times."""
        self._scan()
        chains = (self._chain(files) for files in self._by_writer().values())
        for _, record in heapq.merge(*chains, key=itemgetter(0)):
            yield record
        self._report_faults()

    def read_new(self) -> list[bytes]:
        """Return the records since the last call, also from new files, in the order of times."""
        self._scan()
        self._report_lasting_gaps()
        timed: list[_Timed] = []
        for files in self._by_writer().values():
            timed += self._chain([file for file in files if not file.is_closed])
        self._report_faults()
        return [record for _, record in sorted(timed, key=itemgetter(0))]

    def finish(self) -> None:
        """Report each file that is incomplete, not closed or missing."""
        for gap in self._find_gaps():
            self._add_fault(gap)
        for path in self._paths:
            if path.is_dir() and not find_files([path]):
                self._add_fault(
                    f"{path}: has no encrypted log; name the folder that the service writes to"
                )
        for files in self._by_writer().values():
            for file in files:
                self._report_end(file, is_newest=file is files[-1])
        for file in self._files.values():
            if file.context is None and file.fault is None:
                self._add_fault(f"{file.path}: {file.incomplete}")

    def _report_end(self, file: LogFileReader, *, is_newest: bool) -> None:
        if file.fault is not None or file.is_closed:
            return
        if file.incomplete is not None:
            self._add_fault(f"{file.path}: {file.incomplete}")
        elif is_newest:
            self._say(f"{file.path}: is not closed: its process still writes it, or was killed")
        else:
            self._add_fault(f"{file.path}: is not closed, but its writer went on in another file")

    def _scan(self) -> None:
        """Find new files, and those that were renamed."""
        for path in find_files(self._paths):
            file = self._files.get(path)
            if file is None:
                file = self._files[path] = LogFileReader(path, self._unwrap, self._scope)
            elif file.context is None:
                file.read_header()
            self._place(file)

    def _place(self, file: LogFileReader) -> None:
        """Add a file to those of its writer, once its header is read."""
        if file.context is None:
            return
        context = file.context
        place = ((context.log, context.writer), context.sequence)
        known = self._by_place.setdefault(place, file)
        if known is file:
            return
        if known.path.exists():
            file.fault = f"is a second file in the place of {known.path.name}"
            return
        self._files.pop(known.path, None)
        known.path = file.path
        self._files[file.path] = known

    def _by_writer(self) -> dict[_Writer, list[LogFileReader]]:
        """Return the files of each writer, in order."""
        places = sorted(self._by_place)
        return {
            writer: [self._by_place[place] for place in group]
            for writer, group in groupby(places, key=itemgetter(0))
        }

    def _chain(self, files: Iterable[LogFileReader]) -> Iterator[_Timed]:
        """Yield the records of one writer, each with its time or that of the one before."""
        time = 0.0
        for file in files:
            for record in file.read():
                time = max(time, find_time(record) or 0.0)
                yield time, record

    def _report_faults(self) -> None:
        for file in self._files.values():
            if file.fault is not None:
                self._add_fault(f"{file.path}: {file.fault}")

    def _report_lasting_gaps(self) -> None:
        """Report what was missing at the last scan, too: one may run while files are created."""
        gaps = set(self._find_gaps())
        for gap in sorted(gaps & self._gaps):
            self._add_fault(gap)
        self._gaps = gaps

    def _find_gaps(self) -> Iterator[str]:
        """Yield a sentence for each gap, also before the first file if a folder is read."""
        is_whole = any(path.is_dir() for path in self._paths)
        for (log, writer), files in self._by_writer().items():
            there = [file.context.sequence for file in files if file.context]
            name = f"log {log}, writer {writer.hex()[:8]}"
            for before, after in pairwise([0, *there] if is_whole else there):
                if after == before + 2:
                    yield f"{name}: file {before + 1} is missing"
                elif after > before + 2:
                    yield f"{name}: files {before + 1} to {after - 1} are missing"

    def _add_fault(self, sentence: str) -> None:
        self.has_fault = True
        self._say(sentence)

    def _say(self, sentence: str) -> None:
        if sentence not in self._reported:
            self._reported.add(sentence)
            self._report(sentence)


_STAMP: Final = (
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?"  # ISO 8601, asctime
)
_TIME: Final = re.compile(
    rb'(?:\W{0,2}|.{0,512}?"(?:time|timestamp|asctime|ts)": ?")(' + _STAMP + rb")"
)


def find_time(record: bytes) -> float | None:
    """Return the time of a record in seconds since the epoch, or None if it has none.

    That is a time at the beginning, as ``%(asctime)s`` writes it, or the field ``time`` of a record
    in JSON. A time without a zone counts as UTC.
    """
    found = _TIME.match(record)
    if found is None:
        return None
    try:
        time = datetime.fromisoformat(found[1].decode())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
