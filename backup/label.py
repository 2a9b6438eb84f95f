"""Name of a backup's file, and the context that it is encrypted with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from app_integration._internal.input_file import open_input
from app_integration.encryption.files.header import read_header
from app_integration.errors import DecryptionFailed, InvalidName
from app_integration.names import Environment, Scope
from backup.errors import RestoreRefused

SUFFIX: Final = ".dump.encrypted"
_KIND: Final = "backup"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_CREATED: Final = "%Y-%m-%dT%H:%M:%SZ"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]*-\d{8}T\d{6}Z" + re.escape(SUFFIX), re.ASCII)


@dataclass(frozen=True, slots=True)
class BackupLabel:
    """Origin of a backup. It contains no personal data, because it is readable without a key.

    *created* is the time of the snapshot in UTC, in whole seconds.
    """

    scope: Scope
    database: str
    created: datetime

    def __post_init__(self) -> None:
        whole = self.created.astimezone(UTC).replace(microsecond=0)
        object.__setattr__(self, "created", whole)

    @property
    def file_name(self) -> str:
        """Return the name of its file: ``gaara-store-prod-20261127T201500Z.dump.encrypted``."""
        return f"{self.scope}-{self.created.strftime(_STAMP)}{SUFFIX}"

    def context(self) -> dict[str, str]:
        """Return the context of its file, without the service and environment of the cipher."""
        created = render_time(self.created)
        return {"of": _KIND, "database": self.database, "created": created}

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Self:
        """Return the label in the context of a file."""
        names = ("of", "service", "environment", "database", "created")
        texts = {name: value for name in names if isinstance(value := context.get(name), str)}
        if texts.keys() != {*names} or texts["of"] != _KIND:
            raise RestoreRefused("the file is not a backup of a database; pass another one")
        try:
            scope = Scope(texts["service"], Environment(texts["environment"]))
            return cls(scope, texts["database"], parse_time(texts["created"]))
        except (InvalidName, ValueError):
            raise RestoreRefused("the label of the backup is malformed; pass another one") from None


def read_label(path: Path) -> BackupLabel:
    """Return the label in the header of the file at *path*. Only decryption verifies it.

    Raises RestoreRefused if the file is not a backup.
    """
    with open_input(path) as file:
        try:
            context = read_header(file).preamble.context
        except DecryptionFailed:
            raise RestoreRefused(
                f"{path} is not an encrypted file, or its header was altered; pass another one"
            ) from None
    return BackupLabel.from_context(context)


def is_backup_name(name: str) -> bool:
    """Return whether *name* has the form of a backup's name."""
    return _NAME.fullmatch(name) is not None


def render_time(moment: datetime) -> str:
    """Return *moment* in UTC: ``2026-11-27T20:15:00Z``."""
    return moment.astimezone(UTC).strftime(_CREATED)


def parse_time(text: str) -> datetime:
    """Return the time that :func:`render_time` returned *text* for."""
    return datetime.strptime(text, _CREATED).replace(tzinfo=UTC)
