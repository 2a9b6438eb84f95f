"""Conversion of lines into a Parquet file, by DuckDB."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app_integration.errors import ConfigurationError
from vault.audit.extra import import_extra
from vault.audit.ingest.kind import Kind
from vault.audit.line import MAX_LINE
from vault.audit.store import configure, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY: Final = "600MB"
#: A third of DuckDB's rows for a group: each thread writes its own, and the last waits less.
_OPTIONS: Final = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 40960"


@dataclass(frozen=True, slots=True)
class Converted:
    """What a Parquet file has; *first* and *last* are in ISO 8601 and UTC, None without a row."""

    rows: int
    first: str | None
    last: str | None


class Converter:
    """A DuckDB connection that converts lines."""

    def __init__(self, connection: DuckDBPyConnection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder

    def convert(
        self,
        source: Path,
        kind: Kind,
        device: str | None,
        to: Path,
        *,
        is_cleaned: bool = False,
    ) -> Converted | None:
        """Convert all of a file, if DuckDB takes every line of it as a line of the log.

        It returns None if a line is damaged, and fewer rows than lines if lines are blank or the
        file changes. Once *is_cleaned*, a lack of memory is not the fault of a line any more.
        """
        duckdb = import_extra("duckdb")
        refusals = (duckdb.InvalidInputException, duckdb.ConversionException)
        refusals += () if is_cleaned else (duckdb.OutOfMemoryException,)
        column = f", {quote(device)} AS device" if device is not None else ""
        # A text of an object's JSON has up to twice its bytes.
        json = _read_json(source, kind.grammar.columns, MAX_LINE * (2 if is_cleaned else 1))
        query = f"SELECT *{column} FROM ({kind.select(json)})"
        with _named_errors(to):
            try:
                self._copy(query, to)
                return self._check(kind, to)
            except refusals:
                return None  # its message has a part of the line

    def convert_lines(
        self, lines: Sequence[bytes], kind: Kind, device: str | None, to: Path
    ) -> Converted:
        """Convert cleaned lines, which have no newlines; see :meth:`convert`."""
        cleaned = self._folder / "cleaned.json"
        with cleaned.open("wb") as file:
            file.writelines(line + b"\n" for line in lines)
        try:
            found = self.convert(cleaned, kind, device, to, is_cleaned=True)
        finally:
            cleaned.unlink()
        if found is None or found.rows != len(lines):
            raise ConfigurationError(
                f"{to.parent}: DuckDB refuses a whole line of a log, and nothing was added; "
                "install the version of duckdb that the tool requires, and ingest again"
            )
        return found

    def merge(self, files: Sequence[Path], to: Path) -> None:
        """Write the rows of Parquet *files* into one."""
        names = ", ".join(quote(str(file)) for file in files)
        with _named_errors(to):
            self._copy(f"SELECT * FROM read_parquet([{names}], union_by_name = true)", to)

    def _copy(self, query: str, to: Path) -> None:
        self._connection.execute(f"COPY ({query}) TO {quote(str(to))} ({_OPTIONS})")

    def _check(self, kind: Kind, to: Path) -> Converted | None:
        """Return what a file has, None if a line lacks a field that it must have."""
        lacks = " OR ".join(f"{name} IS NULL" for name in kind.grammar.required)
        found = self._connection.execute(
            f"SELECT count(*), min(time)::VARCHAR, max(time)::VARCHAR,"
            f" coalesce(bool_or({lacks}), false) FROM read_parquet({quote(str(to))})"
        ).fetchone()
        rows, first, last, is_damaged = found or (0, None, None, False)
        return None if is_damaged else Converted(rows, first, last)


@contextmanager
def _named_errors(to: Path) -> Iterator[None]:
    """Raise a ConfigurationError in place of an error of DuckDB that writes the file *to*."""
    try:
        yield
    except import_extra("duckdb").Error as error:
        raise ConfigurationError(
            f"{to.parent}: DuckDB cannot write a file ({type(error).__name__}); check the free "
            "space and the permissions there, and the free memory"
        ) from None


@contextmanager
def open_converter(folder: Path) -> Iterator[Converter]:
    """Yield a converter, which loads no extension."""
    with import_extra("duckdb").connect() as connection:
        # Lines of a log are in no order, and keeping it would let threads wait for each other.
        settings = {"preserve_insertion_order": "false"}
        configure(connection, MEMORY, folder / "duckdb", settings)
        yield Converter(connection, folder)


def open_path(descriptor: int) -> Path | None:
    """Return a path of an open file that a rename does not change, None where there is none."""
    path = Path("/proc/self/fd") / str(descriptor)
    return path if os.path.lexists(path) else None


def _read_json(source: Path, columns: Mapping[str, str], size: int) -> str:
    fields = ", ".join(f"{quote(name)}: {quote(kind)}" for name, kind in columns.items())
    return (
        f"read_json({quote(str(source))}, format = 'newline_delimited', compression = 'none',"
        f" maximum_object_size = {size}, columns = {{{fields}}})"
    )
