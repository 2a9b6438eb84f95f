"""Index of the store: what was read of each log, and the Parquet files that have its lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from app_integration._internal import formats
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from vault.audit.damage import Damage, Reason
from vault.audit.ingest.log_file import Stamp, read_stamp
from vault.audit.store import FOLDERS, INDEX, PARQUET, REBUILD

#: Damaged lines of one log that are kept by name. Further ones are counted.
MAX_NAMED: Final = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """A Parquet file of a log."""

    file: str
    rows: int
    first: str
    last: str


@dataclass(slots=True)
class LogEntry:
    """What was read of a log, up to the byte *offset* of it, decompressed."""

    folder: str
    device: str | None = None
    offset: int = 0
    lines: int = 0
    rows: int = 0
    blank: int = 0
    rescued: int = 0
    damaged: int = 0
    is_ended: bool = False
    pending: int = 0
    stamps: dict[str, Stamp] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)

    def add_damage(self, damage: list[Damage]) -> None:
        """Count damaged lines, and keep the first ones by name."""
        self.damaged += len(damage)
        self.damage += damage[: max(0, MAX_NAMED - len(self.damage))]

    def note(self, damage: Damage) -> bool:
        """Keep damage that is not that of a line, and return whether it is new."""
        is_new = damage not in self.damage
        if is_new:
            self.damage.append(damage)
        return is_new

    def check_sum(self) -> None:
        """Check that each line is a row, damaged or blank."""
        if self.lines + self.rescued != self.rows + self.damaged + self.blank:
            raise AssertionError(
                f"{self.lines} lines and {self.rescued} rescued objects are not {self.rows} rows, "
                f"{self.damaged} damaged and {self.blank} blank lines"
            )


@dataclass(slots=True)
class Index:
    """The index."""

    folder: Path
    logs: dict[str, LogEntry] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Index:
        """Return the index of a store, an empty one for a new store."""
        path = folder / INDEX
        try:
            document = json.loads(path.read_bytes())
            refusal = formats.AUDIT_STORE.describe_refusal(document.get("format"))
            if refusal is None:
                return cls(folder, {key: _entry(each) for key, each in document["logs"].items()})
        except FileNotFoundError:
            return cls(folder)
        except (ValueError, TypeError, LookupError, AttributeError):
            refusal = f"is not an index; {REBUILD}"
        raise ConfigurationError(f"{path} {refusal}")

    def knows(self, path: Path) -> bool:
        """Return whether the file at *path* was read, and has not changed since."""
        name, stamp = str(path.absolute()), read_stamp(path)
        return any(entry.stamps.get(name) == stamp for entry in self.logs.values())

    def save(self) -> None:
        """Replace the file, which only its owner reads."""
        document = {
            "format": formats.AUDIT_STORE.current,
            "logs": {key: asdict(each) for key, each in self.logs.items()},
        }
        write_private(self.folder / INDEX, json.dumps(document, separators=(",", ":")))

    def files(self) -> Iterator[Path]:
        """Yield all Parquet files of the store."""
        for each in self.logs.values():
            for part in each.parts:
                yield self.folder / each.folder / part.file


def _entry(data: dict[str, Any]) -> LogEntry:
    if data["folder"] not in FOLDERS.values() or not all(
        PARQUET.fullmatch(each["file"]) for each in data["parts"]
    ):
        raise ValueError(data["folder"])  # because files of these names are removed
    return LogEntry(
        **{
            **data,
            "stamps": {path: tuple(each) for path, each in data["stamps"].items()},
            "parts": [Part(**each) for each in data["parts"]],
            "damage": [
                Damage(each["line"], each["offset"], Reason(each["reason"]))
                for each in data["damage"]
            ],
        }
    )
