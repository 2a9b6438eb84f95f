"""Archives of audit logs, with a log that this process writes in place of a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Any, Final

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.names import Environment, Scope
from tests.support.models.cipher_parts import KeyService
from vault.audit.archive.archive_run import Archived, Archiver
from vault.audit.archive.live_log import LiveLog
from vault.audit.archive.reload import Reopening
from vault.audit.archive.segment_file import SegmentWriter
from vault.audit.archive.verification import Verification, verify

SCOPE: Final = Scope("gaara-store", Environment.DEV)
START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def file_cipher() -> FileCipher:
    """Return a cipher with the same key in every process."""
    return FileCipher(lambda _key: KeyService(bytes(32)), SCOPE, "audit")


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def line(time: datetime, **fields: Any) -> bytes:
    text = time.isoformat().replace("+00:00", "Z")
    return json.dumps({"time": text, "type": "response", **fields}, separators=(",", ":")).encode()


@dataclass
class Device:
    """Writer of a log, which opens its file again when it is told to."""

    path: Path
    file: FileIO = field(init=False)

    def __post_init__(self) -> None:
        self.reopen()

    def reopen(self) -> None:
        self.file = FileIO(self.path, "a")

    def write(self, *lines: bytes) -> None:
        for each in lines:
            self.file.write(each + b"\n")


@dataclass
class Site:
    """An archive in *folder*, and the devices of a server."""

    folder: Path
    devices: tuple[Device, ...]
    day: float = 0

    def reload(self) -> None:
        for device in self.devices:
            device.file.close()
            device.reopen()

    def archiver(self, keep: int | None = None, **changed: Any) -> Archiver:
        key = file_cipher().new_file_key()
        options: dict[str, Any] = {
            "open_writer": lambda: SegmentWriter(SCOPE, key),
            "reopening": Reopening(self.reload, 0.1),
            "keep": None if keep is None else timedelta(days=keep),
            "now": lambda: at(self.day),
        }
        logs = [LiveLog(device.path) for device in self.devices]
        return Archiver(self.folder, logs, **{**options, **changed})

    def archive(self, day: float, keep: int | None = None, lines: Sequence[bytes] = ()) -> Archived:
        self.day = day
        for device in self.devices:
            device.write(*(lines or [line(at(day) - timedelta(hours=1), path="secret")]))
        return self.archiver(keep).run()

    def verify(self, *, with_key: bool = True, **options: Any) -> Verification:
        unwrap = file_cipher().unwrap if with_key else None
        return verify(self.folder, **{"now": at(self.day), "unwrap": unwrap, **options})

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.encrypted"))


@contextmanager
def archive_site(path: Path, *names: str) -> Iterator[Site]:
    """Yield an archive in a new folder, and devices with these *names*."""
    for name in ("archive", "logs"):
        (path / name).mkdir()
    names = names or ("audit-1",)
    devices = tuple(Device(path / "logs" / f"{name}.log") for name in names)
    yield Site(path / "archive", devices)
    for device in devices:
        device.file.close()
