"""Files that are ingested, each with its device."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from app_integration.errors import ConfigurationError
from app_integration.observability import log_writer
from vault.audit.archive import entry
from vault.audit.ingest.kind import LINES, RECORDS, Kind

#: What rotation adds to a name before its suffix: a date, and what follows it.
_ROTATED: Final = re.compile(r"[-.]\d{8}.*$")


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a log."""

    path: Path
    kind: Kind
    device: str | None = None

    @classmethod
    def server_log(cls, path: Path) -> Self:
        """Return a file of an audit device, whose name is that of the file."""
        return cls(path, LINES, device_name(path.name))

    @property
    def is_encrypted(self) -> bool:
        """Return whether it is an encrypted log of the SDK, or a segment of an archive."""
        if self.kind is RECORDS:
            return log_writer.SUFFIX in self.path.name
        return self.path.name.endswith(entry.SUFFIX)


def device_name(name: str) -> str:
    """Return the device of a file: ``audit-1`` of ``audit-1-20261128T0415.log.zst``."""
    stem = name.split(".log", maxsplit=1)[0]
    return _ROTATED.sub("", stem) or stem


def find_server_logs(paths: Iterable[Path]) -> list[Source]:
    """Return the logs of audit devices at *paths*. See :func:`find_log_files`."""
    return [Source.server_log(path) for path in find_log_files(paths)]


def find_log_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files at *paths*, each once; a folder of an archive stands for its segments."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            segments = sorted(each for each in path.iterdir() if each.name.endswith(entry.SUFFIX))
            if not segments:
                raise ConfigurationError(
                    f"{path} has no segment; name the folder of an archive, or each file of a log"
                )
            found += segments
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def find_records(paths: Iterable[Path]) -> list[Source]:
    """Return the files of access records among *paths*.

    A folder stands for the plain and encrypted ones in it, also if they were renamed by a suffix.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            records = list_records(path)
            if not records:
                raise ConfigurationError(f"{path} has no access record; name another folder")
            found += records
        else:
            path.stat()
            found.append(path)
    return [Source(path, RECORDS) for path in dict.fromkeys(found)]


def list_records(folder: Path) -> list[Path]:
    """Return the files of access records in *folder*."""
    return sorted(each for each in folder.iterdir() if _is_record_file(each))


def _is_record_file(path: Path) -> bool:
    return path.is_file() and (log_writer.SUFFIX in path.name or ".jsonl" in path.name)
