"""Check of a folder of backups, without a key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from app_integration.encryption.files.digest import digest_file
from backup.errors import RestoreRefused
from backup.folder import BackupFolder
from backup.label import is_backup_name, read_label
from backup.manifest import Entry, State, settle
from vault.progress import Progress

_CLOCK_SKEW: Final = timedelta(hours=1)  # between the machines of the backup and of the check


@dataclass(frozen=True, slots=True)
class Observation:
    """State of a file; its digest is None if its size is wrong already.

    *digest* is without the recipients; *name* is by the header, None if that is unreadable.
    """

    size: int
    digest: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """Result of the check: the backups that are intact, newest first, and the findings."""

    intact: tuple[Entry, ...]
    findings: tuple[str, ...]


def inspect(
    folder: BackupFolder, *, now: datetime, max_age: timedelta | None, progress: Progress
) -> Inspection:
    """Compare a folder with its manifest.

    The newest backup of a service is a finding if it is older than *max_age*; None is no limit.
    """
    before = _read(folder)
    files = {path.name for path in folder.path.iterdir() if is_backup_name(path.name)}
    observed = {
        name: _observe(folder.path / name, entry, progress)
        for name, entry in before.items()
        if name in files and entry.state is State.KEPT
    }
    # Another run may have added or removed a backup since then; it is in one of the two only.
    after = _read(folder)
    kept = [each for each in after.values() if each.state is State.KEPT and each.file in before]
    unknown = files - before.keys() - after.keys()
    return judge(kept, observed, unknown, now=now, max_age=max_age)


def judge(
    entries: Collection[Entry],
    observed: Mapping[str, Observation | None],
    unknown: Collection[str],
    *,
    now: datetime,
    max_age: timedelta | None,
) -> Inspection:
    """Return what *observed* says about *entries*."""
    newest_first = sorted(entries, key=lambda entry: entry.created, reverse=True)
    faults = {entry.file: _fault(entry, observed.get(entry.file)) for entry in newest_first}
    intact = tuple(entry for entry in newest_first if faults[entry.file] is None)
    findings = [f"{name}: {fault}" for name, fault in sorted(faults.items()) if fault]
    findings += [
        f"{name}: not in the manifest, so nothing says that it was verified; register it with: "
        "strongroom backup restore --drill"
        for name in sorted(unknown)
    ]
    findings += _age_findings(entries, intact, now, max_age)
    return Inspection(intact, tuple(findings))


def _fault(entry: Entry, found: Observation | None) -> str | None:
    if found is None:
        return "missing"
    if found.size < entry.size:
        return f"cut: {found.size} bytes in place of {entry.size}"
    if found.digest != entry.digest or found.name != entry.file:
        return "altered"
    return None


def _age_findings(
    kept: Collection[Entry], intact: Collection[Entry], now: datetime, max_age: timedelta | None
) -> Iterator[str]:
    if not kept:
        yield "there is no backup in the folder"
    for origin in sorted({entry.origin for entry in kept}):
        times = [entry.created for entry in intact if entry.origin == origin]
        if not times:
            yield f"{'-'.join(origin)}: no backup is intact"
        elif max_age is not None and (fault := _age_fault(times, now, max_age)):
            yield f"{'-'.join(origin)}: {fault}"


def _age_fault(times: Collection[datetime], now: datetime, max_age: timedelta) -> str | None:
    """Return the fault of the newest of *times*; None if it is young enough.

    A later time than the current one is that of a wrong clock, and would hide for as long that no
    backup was made since.
    """
    past = [time for time in times if time <= now + _CLOCK_SKEW]
    if not past:
        return "each intact backup is from the future; correct the clock, and make another"
    age = now - max(past)
    return f"the newest intact backup is {_age(age)} old" if age > max_age else None


def _age(age: timedelta) -> str:
    hours = int(age.total_seconds()) // 3600
    return f"{hours // 24} d {hours % 24} h" if hours >= 48 else f"{hours} h"  # noqa: PLR2004


def _read(folder: BackupFolder) -> dict[str, Entry]:
    """Return the entries, as the next run would find them after a kill."""
    return settle(folder.read(), lambda entry: (folder.path / entry.file).exists()).entries


def _observe(path: Path, entry: Entry, progress: Progress) -> Observation | None:
    """Return the state of a file, or None if another run has removed it."""
    try:
        return _read_state(path, entry, progress)
    except FileNotFoundError:
        return None


def _read_state(path: Path, entry: Entry, progress: Progress) -> Observation:
    size = path.stat().st_size
    try:
        name = read_label(path).file_name
    except RestoreRefused:
        name = None
    if size != entry.size:
        return Observation(size, None, name)
    with progress(path.name, size) as advance:
        return Observation(size, digest_file(path, advance), name)
