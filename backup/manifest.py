"""Manifest of a folder of backups: its entries, and the decisions about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from app_integration._internal import formats
from app_integration.errors import InvalidName
from app_integration.names import Environment, Scope
from backup.errors import BackupFailed
from backup.label import BackupLabel, parse_time, render_time

_HINT: Final = (
    f'move it away, write {{"format": {formats.BACKUP.current}, "backups": []}} in its place, and '
    "register each backup again with: strongroom backup restore --drill"
)


class State(StrEnum):
    """State of an entry. All but ``kept`` last only while the folder is locked, or after a kill."""

    ADDING = "adding"
    KEPT = "kept"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class Entry:
    """A backup that was verified.

    *created* is the time of its snapshot, and *digest* the SHA-256 of the file without its
    recipients, in hexadecimal.
    """

    file: str
    service: str
    environment: str
    database: str
    created: datetime
    verified: datetime
    size: int
    digest: str
    tables: int
    rows: int
    state: State = State.KEPT

    @property
    def origin(self) -> tuple[str, str]:
        """Return the service and its environment, which the text of both does not tell apart."""
        return self.service, self.environment

    def to_json(self) -> dict[str, Any]:
        """Return the entry as values that JSON can represent."""
        times = {"created": render_time(self.created), "verified": render_time(self.verified)}
        names = ("file", "service", "environment", "database", "size", "digest", "tables", "rows")
        return {**{name: getattr(self, name) for name in names}, **times, "state": self.state.value}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return the entry that :meth:`to_json` returned *value* for.

        Raises ValueError, KeyError, TypeError or InvalidName if it is malformed.
        """
        times = {name: parse_time(value[name]) for name in ("created", "verified")}
        entry = cls(**{**value, **times, "state": State(value["state"])})
        entry._check()
        return entry

    def _check(self) -> None:
        """Raise an error if a field has another type, or the file has another backup's name."""
        scope = Scope(self.service, Environment(self.environment))
        texts = (self.database, self.digest)
        numbers = (self.size, self.tables, self.rows)
        if (
            self.file != BackupLabel(scope, self.database, self.created).file_name
            or {*map(type, texts)} != {str}
            or not "".join(texts).isprintable()
            or not all(type(each) is int and each >= 0 for each in numbers)
        ):
            raise ValueError(self.file)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Entries of a folder, by the names of their files."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the manifest as JSON, a line for each field."""
        ordered = sorted(self.entries.values(), key=lambda entry: (entry.origin, entry.created))
        value = {
            "format": formats.BACKUP.current,
            "backups": [entry.to_json() for entry in ordered],
        }
        return json.dumps(value, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the manifest that :meth:`to_json` returned *text* for."""
        try:
            entries = _parse(json.loads(text))
        except (ValueError, KeyError, TypeError, RecursionError, InvalidName):
            raise BackupFailed(f"manifest.json is malformed; {_HINT}") from None
        return cls({entry.file: entry for entry in entries})

    def with_entry(self, entry: Entry) -> Manifest:
        """Return the manifest with *entry*, in place of one of the same file."""
        return Manifest({**self.entries, entry.file: entry})

    def in_state(self, state: State) -> list[Entry]:
        """Return the entries in *state*."""
        return [entry for entry in self.entries.values() if entry.state is state]


def _parse(value: Any) -> list[Entry]:
    if refusal := formats.BACKUP.describe_refusal(value["format"]):
        raise BackupFailed(f"manifest.json {refusal}")
    return [Entry.from_json(each) for each in value["backups"]]


def settle(manifest: Manifest, is_present: Callable[[Entry], bool]) -> Manifest:
    """Return *manifest* after a run that was killed, or that has reached the next step.

    A file that was being added counts if it has its name, and the entry of a file that was being
    removed goes with the file.
    """
    settled = {}
    for name, entry in manifest.entries.items():
        if entry.state is State.KEPT or (entry.state is State.REMOVING and is_present(entry)):
            settled[name] = entry
        elif entry.state is State.ADDING and is_present(entry):
            settled[name] = replace(entry, state=State.KEPT)
    return Manifest(settled)


def expire(
    manifest: Manifest, newest: Entry, before: datetime, is_own: Callable[[Entry], bool]
) -> Manifest:
    """Return *manifest* with the old backups of one service in the state ``removing``.

    Those from before *before* are old, except *newest* and any whose file is not *is_own*.
    """
    old = {
        name: replace(entry, state=State.REMOVING)
        for name, entry in manifest.entries.items()
        if entry.origin == newest.origin
        and name != newest.file
        and entry.created < before
        and is_own(entry)
    }
    return Manifest({**manifest.entries, **old})
