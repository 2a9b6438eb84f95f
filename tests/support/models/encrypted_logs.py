"""Encrypted logs of a test: their records, and what a reader says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.names import Scope
from app_integration.observability.log_reader import LogReader, find_files

#: Size of a file without a record, before it is closed.
HEADER_SIZE = 4096


@dataclass
class ReadLog:
    records: list[str]
    said: list[str] = field(default_factory=list)
    has_fault: bool = False


def read_log(files: FileCipher, *paths: Path, scope: Scope | None = None) -> ReadLog:
    said: list[str] = []
    reader = LogReader(paths, files.unwrap, said.append, scope)
    records = [record.decode() for record in reader.read()]
    reader.finish()
    return ReadLog(records, said, reader.has_fault)


def names(folder: Path) -> list[str]:
    """Return the names of the log files in *folder*, without the stamps of time and writer."""
    return [
        f"{each.name.split('-')[0]}-{each.name.split('-')[-1]}" for each in find_files([folder])
    ]
