"""The files ``<name>/run.json`` of a folder of units, each with the configuration of one unit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from agent.supervisor.run_settings import RunSettings
from app_integration._internal.private_file import Stamp, stamp
from app_integration.errors import ConfigurationError

RUN_FILE: Final = "run.json"
#: Lock of the supervisor of a folder, which contains its process id.
LOCK_FILE: Final = ".supervisor.lock"
MAX_SIZE: Final = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class UnitFile:
    """One version of a unit's configuration file."""

    path: Path
    content: bytes
    problem: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the current version of *path*, also if it cannot be read."""
        try:
            # Otherwise opening a pipe would wait for a writer.
            if path.exists() and not path.is_file():
                return cls(path, b"", "is not a regular file; replace it")
            with path.open("rb") as file:
                content = file.read(MAX_SIZE + 1)
        except OSError as error:
            return cls(path, b"", f"cannot be read: {error.strerror}")
        if len(content) > MAX_SIZE:
            return cls(path, b"", f"has more than {MAX_SIZE} bytes; shorten it")
        return cls(path, content)

    @property
    def folder(self) -> Path:
        """Return the folder of the unit."""
        return self.path.parent

    @property
    def name(self) -> str:
        """Return the name of the unit."""
        return self.folder.name

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the content."""
        return sha256(self.content).hexdigest()

    @property
    def generation(self) -> str:
        """Return the generation in the file, also if the file is invalid otherwise."""
        try:
            found = json.loads(self.content)["generation"]
        except (KeyError, TypeError, ValueError, RecursionError):
            return ""
        return found if isinstance(found, str) else ""

    def parse(self) -> RunSettings:
        """Return the settings in the file."""
        if self.problem is not None:
            raise ConfigurationError(f"{self.path} {self.problem}")
        return RunSettings.from_bytes(self.content, self.path)


def find_unit_files(folder: Path) -> Mapping[Path, Stamp]:
    """Return each ``<name>/run.json`` in *folder*, in order of names, with its stamp.

    Folders whose name begins with a dot are ignored. If *folder* does not exist, it has no units.
    """
    try:
        names = sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
    except FileNotFoundError:
        return {}
    stamps = {path: stamp(path) for path in (folder / name / RUN_FILE for name in names)}
    return {path: found for path, found in stamps.items() if found is not None}
