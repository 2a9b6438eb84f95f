"""KV version 2 in memory: versions, deletion and destruction, check-and-set, metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    unsupported_operation,
)

_DEFAULT_MAX_VERSIONS: Final = 10  # the default of the real server


@dataclass(slots=True)
class _Version:
    value: Mapping[str, Any] = field(repr=False)
    created: str
    deleted: str = ""
    destroyed: bool = False

    @property
    def is_deleted(self) -> bool:
        return self.destroyed or bool(self.deleted)

    def times(self) -> dict[str, Any]:
        return {
            "created_time": self.created,
            "deletion_time": self.deleted,
            "destroyed": self.destroyed,
        }


@dataclass(slots=True)
class _Entry:
    created: str
    versions: dict[int, _Version] = field(default_factory=dict)
    current: int = 0
    max_versions: int = 0
    custom_metadata: dict[str, str] | None = None

    def add(self, version: _Version) -> int:
        self.current += 1
        self.versions[self.current] = version
        for number in sorted(self.versions)[: -(self.max_versions or _DEFAULT_MAX_VERSIONS)]:
            del self.versions[number]
        return self.current


class Kv:
    """A KV v2 mount."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def handle(self, request: Request) -> ServerResponse:
        """Handle a request whose path is relative to the mount, and return the response."""
        kind, _, path = request.path.partition("/")
        handlers: dict[tuple[str, str], Callable[[str, Request], ServerResponse]] = {
            ("GET", "data"): self._read,
            ("POST", "data"): self._write,
            ("DELETE", "data"): self._delete_latest,
            ("POST", "delete"): self._delete,
            ("POST", "undelete"): self._undelete,
            ("POST", "destroy"): self._destroy,
            ("GET", "metadata"): self._metadata,
            ("POST", "metadata"): self._write_metadata,
            ("DELETE", "metadata"): self._delete_metadata,
            ("LIST", "metadata"): self._list,
        }
        handler = handlers.get((request.method, kind))
        if handler is None:
            raise unsupported_operation()
        return handler(path, request)

    def _read(self, path: str, request: Request) -> ServerResponse:
        entry = self._entry(path)
        number = int(request.query.get("version", 0)) or entry.current
        version = entry.versions.get(number)
        if version is None:
            raise ErrorResponse(404)
        about = {**version.times(), "custom_metadata": entry.custom_metadata, "version": number}
        if version.is_deleted:
            raise ErrorResponse(404, data={"data": None, "metadata": about})
        return data_response({"data": dict(version.value), "metadata": about})

    def _write(self, path: str, request: Request) -> ServerResponse:
        value = request.body.get("data")
        if not isinstance(value, Mapping):
            raise ErrorResponse(400, "no data provided")
        entry = self._entries.get(path)
        expected = (request.body.get("options") or {}).get("cas")
        if expected is not None and expected != (entry.current if entry else 0):
            raise ErrorResponse(400, "check-and-set parameter did not match the current version")
        if entry is None:
            entry = self._entries[path] = _Entry(self._clock.timestamp())
        version = _Version(dict(value), self._clock.timestamp())
        number = entry.add(version)
        return data_response(
            {**version.times(), "custom_metadata": entry.custom_metadata, "version": number}
        )

    def _delete_latest(self, path: str, _: Request) -> ServerResponse:
        entry = self._entries.get(path)
        if entry is not None and entry.current in entry.versions:
            self._mark_deleted(entry.versions[entry.current])
        return NO_CONTENT

    def _delete(self, path: str, request: Request) -> ServerResponse:
        for version in self._select_versions(path, request):
            self._mark_deleted(version)
        return NO_CONTENT

    def _undelete(self, path: str, request: Request) -> ServerResponse:
        for version in self._select_versions(path, request):
            version.deleted = ""
        return NO_CONTENT

    def _destroy(self, path: str, request: Request) -> ServerResponse:
        for version in self._select_versions(path, request):
            version.destroyed, version.value = True, {}
        return NO_CONTENT

    def _metadata(self, path: str, _: Request) -> ServerResponse:
        entry = self._entry(path)
        return data_response(
            {
                "created_time": entry.created,
                "current_version": entry.current,
                "custom_metadata": entry.custom_metadata,
                "max_versions": entry.max_versions,
                "versions": {
                    str(number): version.times() for number, version in entry.versions.items()
                },
            }
        )

    def _write_metadata(self, path: str, request: Request) -> ServerResponse:
        entry = self._entries.setdefault(path, _Entry(self._clock.timestamp()))
        entry.custom_metadata = request.body.get("custom_metadata", entry.custom_metadata)
        entry.max_versions = request.body.get("max_versions", entry.max_versions)
        return NO_CONTENT

    def _delete_metadata(self, path: str, _: Request) -> ServerResponse:
        self._entries.pop(path, None)
        return NO_CONTENT

    def _list(self, path: str, _: Request) -> ServerResponse:
        folder = f"{path.rstrip('/')}/" if path else ""
        below = [known.removeprefix(folder) for known in self._entries if known.startswith(folder)]
        keys = {name.partition("/")[0] + ("/" if "/" in name else "") for name in below}
        if not keys:
            raise ErrorResponse(404)
        return data_response({"keys": sorted(keys)})

    def _entry(self, path: str) -> _Entry:
        entry = self._entries.get(path)
        if entry is None:
            raise ErrorResponse(404)
        return entry

    def _select_versions(self, path: str, request: Request) -> list[_Version]:
        """Return those of the versions in the request's body that exist."""
        entry = self._entries.get(path)
        numbers = request.body.get("versions")
        if not numbers:
            raise ErrorResponse(400, "No version number provided")
        known = entry.versions if entry else {}
        return [known[int(number)] for number in numbers if int(number) in known]

    def _mark_deleted(self, version: _Version) -> None:
        version.deleted = version.deleted or self._clock.timestamp()
