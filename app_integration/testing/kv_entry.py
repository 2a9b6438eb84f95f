"""One secret of the in-memory KV engine: its versions, its settings and its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import ErrorResponse, frame_error
from app_integration.testing.parameters import Parameters, go_type, show_seconds, to_text

DEFAULT_MAX_VERSIONS: Final = 10  # the default of the real server
_MAX_KEYS, _MAX_KEY, _MAX_VALUE = 64, 128, 512  # of custom metadata
_INVALID: Final = "custom_metadata validation failed:"
#: Names of the parameters of :meth:`KvSettings.update`.
SETTINGS: Final = ("max_versions", "cas_required", "delete_version_after")


@dataclass(slots=True)
class KvSettings:
    """Settings of a mount or of one secret.

    *delete_version_after* is in seconds: 0 for never, and negative on a mount to ignore that of its
    secrets. *max_versions* is 0 for the default.
    """

    max_versions: int = 0
    cas_required: bool = False
    delete_version_after: float = 0.0

    def update(self, given: Parameters, *, signed: bool = False) -> None:
        """Set the settings that are *given*."""
        # All are converted first, so that a rejected request changes nothing.
        max_versions = given.integer("max_versions", self.max_versions) % 2**32
        cas_required = given.boolean("cas_required", self.cas_required)
        self.delete_version_after = given.seconds(
            "delete_version_after", self.delete_version_after, signed=signed
        )
        self.max_versions, self.cas_required = max_versions, cas_required

    def describe(self) -> dict[str, Any]:
        """Return the settings as the server shows them."""
        return {
            "max_versions": self.max_versions,
            "cas_required": self.cas_required,
            "delete_version_after": show_seconds(self.delete_version_after),
            "metadata_cas_required": False,
        }


@dataclass(slots=True)
class Version:
    """One version of a secret."""

    value: Mapping[str, Any] | None = field(repr=False)
    created: float
    deleted: float | None = None
    destroyed: bool = False

    def is_deleted(self, now: float) -> bool:
        """Return whether its value is not readable."""
        return self.destroyed or (self.deleted is not None and self.deleted <= now)

    def times(self, clock: Clock) -> dict[str, Any]:
        """Return when it was created and deleted, as the server shows them."""
        return {
            "created_time": clock.timestamp(self.created),
            "deletion_time": "" if self.deleted is None else clock.timestamp(self.deleted),
            "destroyed": self.destroyed,
        }


@dataclass(slots=True)
class Entry:
    """A secret with its versions and its metadata."""

    created: float
    updated: float
    settings: KvSettings = field(default_factory=KvSettings)
    versions: dict[int, Version] = field(default_factory=dict)
    current: int = 0
    custom_metadata: dict[str, str] | None = None

    def add(self, version: Version, mount: KvSettings) -> int:
        """Add *version*, remove those beyond the limit, and return its number."""
        version.deleted = self.deletion(version.created, mount)
        self.current += 1
        self.versions[self.current] = version
        self.updated = version.created
        limit = self.settings.max_versions or mount.max_versions or DEFAULT_MAX_VERSIONS
        for number in sorted(self.versions)[:-limit]:
            del self.versions[number]
        return self.current

    def deletion(self, now: float, mount: KvSettings) -> float | None:
        """Return when a version that is written or undeleted *now* will be deleted."""
        lifetime = _lifetime(mount.delete_version_after, self.settings.delete_version_after)
        return now + lifetime if lifetime else None

    def describe(self, clock: Clock) -> dict[str, Any]:
        """Return the metadata as the server shows it."""
        return {
            **self.settings.describe(),
            "created_time": clock.timestamp(self.created),
            "updated_time": clock.timestamp(self.updated),
            "current_version": self.current,
            "oldest_version": self._oldest(),
            "custom_metadata": self.custom_metadata,
            "versions": {
                str(number): version.times(clock) for number, version in self.versions.items()
            },
        }

    def describe_version(self, number: int, clock: Clock) -> dict[str, Any]:
        """Return the metadata of the version *number* as the server shows it with the value."""
        times = self.versions[number].times(clock)
        return {**times, "custom_metadata": self.custom_metadata, "version": number}

    def _oldest(self) -> int:
        """Return the oldest version; 0 until one was removed, as the real server does."""
        oldest = min(self.versions, default=0)
        return oldest if oldest > 1 else 0


def check_custom_metadata(given: Parameters) -> dict[str, str | None]:
    """Return the custom metadata; None for a value that is null."""
    found = given.mapping("custom_metadata")
    if len(found) > _MAX_KEYS:
        message = f"payload must contain at most {_MAX_KEYS} keys, provided {len(found)}"
        raise _invalid_metadata(message)
    for key, value in found.items():
        if isinstance(value, list | dict):
            kind = f"got unconvertible type '{go_type(value)}'"
            raise ErrorResponse(400, f"{_INVALID} '' expected type 'string', {kind}")
        if not 0 < len(key) <= _MAX_KEY:
            raise _invalid_metadata(_length(f'key "{key}"', len(key), f"len(key) <= {_MAX_KEY}"))
    return {key: None if value is None else to_text(key, value) for key, value in found.items()}


def check_values(metadata: Mapping[str, str | None]) -> dict[str, str]:
    """Return *metadata* if each value has an allowed length."""
    for key, value in metadata.items():
        if not 0 < len(value or "") <= _MAX_VALUE:
            limits = f"len(value) <= {_MAX_VALUE}"
            raise _invalid_metadata(_length(f'value for key "{key}"', len(value or ""), limits))
    return {key: value or "" for key, value in metadata.items()}


def _invalid_metadata(message: str) -> ErrorResponse:
    """Return the error for invalid custom metadata."""
    return ErrorResponse(400, frame_error(f"{_INVALID} {message}"))


def _length(what: str, size: int, limits: str) -> str:
    return f"length of {what} is {size} but must be 0 < {limits}"


def _lifetime(mount: float, secret: float) -> float:
    """Return the seconds until a version is deleted; 0 for never."""
    if mount < 0:
        return 0.0
    return min(each for each in (mount, secret) if each > 0) if mount > 0 or secret > 0 else 0.0
