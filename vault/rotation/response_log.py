"""Responses in audit logs, searched by API path for the ledger and rotations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from vault.audit.event_file import EventFile
from vault.rotation.audit_response import Response, parse_response


class ResponseLog(Protocol):
    """Audit logs, as files or in a store."""

    @property
    def files(self) -> list[EventFile]:
        """Return what was read of each log."""
        ...

    def responses(self, paths: Collection[str], *, by_token: bool) -> Iterator[Response]:
        """Yield the requests that succeeded, of the deployment's namespace.

        A further call may yield only what is new.

        Args:
            paths: The wanted API paths. Others may be yielded, too.
            by_token: Whether the fields of a token are needed.

        Raises:
            OSError: If a file cannot be read.
            ConfigurationError: If a file is no audit log.

        """
        ...

    def covers(self, start: datetime, end: datetime) -> bool:
        """Return whether the logs begin before *start* and go on after *end*."""
        ...


@dataclass(frozen=True, slots=True)
class FileLog:
    """Files of audit devices that are not compressed. They may overlap, in any order."""

    files: list[EventFile]
    namespace: str = ""

    @classmethod
    def of(cls, paths: Iterable[Path], namespace: str = "") -> Self:
        """Return the files at *paths*; nothing is read yet."""
        return cls([EventFile(path) for path in paths], namespace)

    def responses(self, paths: Collection[str], *, by_token: bool) -> Iterator[Response]:  # noqa: ARG002 (the files have it anyway)
        """Yield what was appended since the last call; see :class:`ResponseLog`."""
        for file in self.files:
            for event in file.responses(paths.__contains__):
                response = parse_response(event)
                if response is not None and response.namespace == self.namespace.strip("/"):
                    yield response

    def covers(self, start: datetime, end: datetime) -> bool:
        """Return whether the files cover the time; a missing one between them is not noticed."""
        first, last = first_time(self.files), last_time(self.files)
        return first is not None and last is not None and first <= start and end <= last


def describe_skipped(files: Iterable[EventFile]) -> tuple[str, ...]:
    """Return that lines could not be read, for what is concluded from the logs; else nothing."""
    skipped = [f"{each.path} {each.skipped}" for each in files if each.skipped]
    if not skipped:
        return ()
    named = ", ".join(skipped)
    return (f"lines of the log could not be read, so that a request may be missing: {named}",)


def first_time(files: Iterable[EventFile]) -> datetime | None:
    """Return the earliest time in *files*, None if they have no line."""
    return min((each.first for each in files if each.first), default=None)


def last_time(files: Iterable[EventFile]) -> datetime | None:
    """Return the latest time in *files*, None if they have no line."""
    return max((each.last for each in files if each.last), default=None)
