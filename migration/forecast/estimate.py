"""Estimate of what the passes of a migration take: disk, WAL and time.

PostgreSQL writes a new version of each row that it changes, and keeps the old one until a vacuum.
The factors were measured, and leave an estimate above the truth: at most three times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from migration.forecast.sample import BLOCK, Sample
from migration.pace import DEFAULT_DUTY
from migration.table.migrated_table import MigratedTable

#: Rows a second of one worker that never pauses, on a machine that has other work too.
DEFAULT_SPEED: Final = 20_000.0
#: Times as many rows that a worker checks as it writes in the same time.
_CHECKED: Final = 1.8
#: Rows a second of an index build.
_INDEX_SPEED: Final = 300_000.0

#: Bytes of a token beside the value, with a table of data keys, and before base64 without one.
_KEYRING_TOKEN: Final = 33
_TEXT_TOKEN: Final = 128
_TEXT_PREFIX: Final = 4
#: Bytes of a column of bytes beside its value: its length, and the alignment of the next one.
_COLUMN: Final = 8
#: Bytes of a blind index's value: the version of its key and at most 32 bits.
_INDEX_VALUE: Final = 5
#: Bytes of the hash of a token, with which plaintext is written.
_HASH: Final = 32
#: Bytes of a row above which PostgreSQL stores values out of line.
_LONG: Final = 2000
#: Free space in blocks of rows, of values out of line, and in split blocks of an index.
_ROW_SPACE: Final = 1.25
_LONG_SPACE: Final = 1.4
_INDEX_SPACE: Final = 1.25
#: Bytes of an entry of an index on a blind index, with its part of the free space.
_ENTRY: Final = 26
_SMALLEST_INDEX: Final = 4 * BLOCK
#: Bytes that a value out of line leaves in the row.
_POINTER: Final = 18
#: Bytes of WAL beside the row: its update and the locks that triggers take, the entry of each
#: index, and each chunk of a value out of line.
_RECORD: Final = 160
_ENTRY_RECORD: Final = 100
_CHUNK_RECORD: Final = 140
_CHUNK: Final = 1996
_WAL_SPACE: Final = 1.25
#: Part of the largest WAL at which a checkpoint begins, so that the next one ends in time.
_CHECKPOINT_PART: Final = 0.5


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the workers go.

    *rows* is that of a second without pauses, *duty* the part of their time that they work, from 0
    to 1.
    """

    rows: float = DEFAULT_SPEED
    duty: float = DEFAULT_DUTY

    def seconds(self, rows: int) -> float:
        """Return the seconds that *rows* take."""
        return rows / (self.rows * self.duty)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a pass takes.

    All but *seconds* are bytes: *heap* without a vacuum during the passes, *scratch* of temporary
    files.
    """

    heap: int = 0
    indexes: int = 0
    scratch: int = 0
    wal: int = 0
    seconds: float = 0.0

    def __add__(self, other: Estimate) -> Estimate:
        """Return what both take, one after the other."""
        return Estimate(
            self.heap + other.heap,
            self.indexes + other.indexes,
            self.scratch + other.scratch,
            self.wal + other.wal,
            self.seconds + other.seconds,
        )

    @property
    def files(self) -> int:
        """Return the bytes of all files but the WAL."""
        return self.heap + self.indexes + self.scratch


class Estimator:
    """Estimates of the passes over one table."""

    def __init__(
        self, table: MigratedTable, sample: Sample, speed: Speed, *, has_data_keys: bool
    ) -> None:
        """Create an estimator."""
        self._sample = sample
        self._speed = speed
        self._indexes = len(table.indexes)
        self._tokens = [
            each.part * (_new_size(table, each.size, has_data_keys=has_data_keys) + _COLUMN)
            for each in sample.plaintexts.values()
        ]
        self._new = sum(self._tokens) + self._indexes * (_INDEX_VALUE + _COLUMN)
        self._missing = max(0.0, self._new - sample.written)
        # Part of the rows for which the backfill is to come.
        self._part = self._missing / self._new if self._new else 0.0
        self._in_line = sample.row + _COLUMN
        if sample.row > _LONG:
            # Too much rather than too little, as its blocks may have old versions too.
            self._in_line = min(self._in_line, sample.files.main / sample.filled)
        self._is_long = sample.row + self._missing > _LONG

    def backfill(self) -> Estimate:
        """Return what it takes to encrypt each row that has an old value."""
        files = self._sample.files
        # Tokens out of line also fill the free space of the blocks that have such values already.
        changed = files.whole if self._is_long else files.main
        return self._estimate(self._in_line + self._new, changed)

    def verification(self) -> Estimate:
        """Return what it takes to check each row. It writes only what it finds wrong."""
        return Estimate(seconds=self._speed.seconds(self._sample.rows) / _CHECKED)

    def index_build(self) -> Estimate:
        """Return what it takes to build the indexes on the columns of blind indexes.

        The first scan of rows that were just written changes their blocks.
        """
        sample = self._sample
        size = self._indexes * (_SMALLEST_INDEX + sample.rows * _ENTRY)
        scanned = sample.files.main
        scanned += math.ceil(self._part * sample.filled * self._in_line_after() * _ROW_SPACE)
        seconds = self._indexes * sample.rows / _INDEX_SPEED
        wal = size + (scanned if self._indexes else 0)
        return Estimate(indexes=size, scratch=size, wal=wal, seconds=seconds)

    def before_switch(self) -> Estimate:
        """Return what the passes before the switch take, for which there must be room at once."""
        return self.backfill() + self.verification() + self.index_build()

    def nulling(self) -> Estimate:
        """Return what it takes to replace each token and take its old value away.

        It comes after the backfill, whose old versions may still be there.
        """
        files, row = self._sample.files, self._in_line + self._new
        if not self._is_long:
            plaintext = sum(each.part * each.size for each in self._sample.plaintexts.values())
            row = max(self._new, self._in_line + self._missing - plaintext)
        grown = math.ceil(self._part * self.backfill().heap)
        return self._estimate(row, files.whole + grown)

    def _estimate(self, row: float, changed: int) -> Estimate:
        """Return what it takes to write each row with an old value once.

        *row* is the bytes of a row's new version, with the values that it does not take over;
        *changed* is those of the blocks with the old versions.
        """
        sample, files = self._sample, self._sample.files
        space = _LONG_SPACE if self._is_long else _ROW_SPACE
        heap = sample.filled * row * space / (files.fillfactor / 100)
        indexes = files.indexes * _INDEX_SPACE * sample.filled / max(sample.rows, 1)
        seconds = self._speed.seconds(sample.filled)
        records = sample.filled * self._record(row)
        checkpoints = self._checkpoints(seconds, records + changed + files.indexes)
        images = changed * (checkpoints if sample.is_scattered else 1) + (
            files.indexes * checkpoints
        )
        # A row makes the server log one block of the table and one of each index, at most.
        images = min(images, changed + sample.filled * BLOCK * (1 + files.index_count))
        wal = math.ceil(_WAL_SPACE * (records + images))
        return Estimate(heap=math.ceil(heap), indexes=math.ceil(indexes), wal=wal, seconds=seconds)

    def _in_line_after(self) -> float:
        """Return the bytes that a row has in line after the backfill: long tokens leave it."""
        left, row = sorted(self._tokens), self._in_line + self._new
        while left and row > _LONG:
            row -= max(0.0, left.pop() - _POINTER)
        return row

    def _record(self, row: float) -> float:
        """Return the bytes of the WAL's records of one row."""
        files = self._sample.files
        size = row + _RECORD + files.index_count * _ENTRY_RECORD
        if files.logs_old_rows:
            size += self._sample.row
        if self._is_long:
            columns = len(self._sample.plaintexts)
            size += _CHUNK_RECORD * (columns + self._new / _CHUNK)
        return size

    def _checkpoints(self, seconds: float, wal: float) -> int:
        """Return after how many checkpoints the server logs whole blocks, with the one before."""
        known = self._sample.checkpoints
        return 1 + int(seconds / known.seconds + wal / (known.size * _CHECKPOINT_PART))


def value_size(size: float, *, has_data_keys: bool) -> float:
    """Return the bytes of the value in a token of *size* bytes."""
    if has_data_keys:
        return max(0.0, size - _KEYRING_TOKEN)
    return max(0.0, (size - _TEXT_PREFIX) * 3 / 4 - _TEXT_TOKEN)


def _new_size(table: MigratedTable, size: float, *, has_data_keys: bool) -> float:
    """Return the bytes that take the place of a value of *size* bytes."""
    if table.is_decrypted:
        return size + _HASH + _COLUMN
    if has_data_keys:
        return _KEYRING_TOKEN + size
    return _TEXT_PREFIX + math.ceil((_TEXT_TOKEN + size) * 4 / 3)
