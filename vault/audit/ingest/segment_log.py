"""Segments of an archive, read as the logs that they were made of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from io import FileIO
from pathlib import Path

from app_integration.errors import DecryptionFailed
from app_integration.observability.log_file_reader import Unwrap
from vault.audit.archive.errors import SegmentDamaged
from vault.audit.archive.segment_file import read_segment
from vault.audit.damage import Reason
from vault.audit.ingest.decompression import LogFault
from vault.audit.ingest.log_file import EndedLog


def open_segment(path: Path, device: str | None, unwrap: Unwrap) -> EndedLog:
    """Return an open segment. ``audit verify`` says more of one that is altered."""
    return EndedLog(path, device, partial(_read, unwrap))


def _read(unwrap: Unwrap, file: FileIO) -> Iterator[bytes]:
    try:
        yield from read_segment(file, unwrap)
    except (DecryptionFailed, SegmentDamaged):
        raise LogFault(Reason.ALTERED) from None
