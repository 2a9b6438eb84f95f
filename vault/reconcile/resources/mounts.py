"""Secrets engines, auth methods and their tuning."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

import tenacity

from app_integration.errors import ConfigurationError, RequestRefused
from app_integration.session.session import Session
from vault.declare import durations
from vault.reconcile.resources import Fields, Reader, Resource, pick, read_data, refuse_change

_KV_UPGRADE: Final = 15  # seconds a new KV v2 mount may answer 400 while it upgrades itself


class Capped(ConfigurationError):
    """What was written is in force on the server for a shorter time than declared."""

    def __init__(self, resource: Resource, field: str, declared: int, granted: int) -> None:
        super().__init__(
            f"{resource.kind} {resource.name}: {field} is {durations.render(declared)} in the"
            f" declaration, and the server grants {durations.render(granted)} at most; declare no"
            " more than that, or have the server's operator raise its limit"
        )


def max_ttl(reader: Reader, mount: str) -> int:
    """Return the seconds that anything from *mount* may live: its own limit, or the server's.

    Args:
        reader: may read the mount's tuning.
        mount: ``database``, ``auth/approle``.

    """
    # For an auth method too: sys/auth/<method>/tune says the same, but asks for sudo.
    data = read_data(reader, f"sys/mounts/{mount}/tune") or {}
    return durations.normalise(data.get("max_lease_ttl") or 0)


@dataclass(frozen=True, slots=True)
class Mount:
    """A secrets engine (``api="mounts"``) or an auth method (``api="auth"``).

    Attributes:
        path: without a trailing slash.
        max_ttl: seconds that what it issues must be able to live. A lower limit is raised, be it
            the mount's own or the server's; a higher one stays, as others may need it.

    """

    kind: ClassVar[str] = "mount"

    api: str
    path: str
    type: str
    description: str
    max_ttl: int = 0
    version: int | None = None

    @property
    def name(self) -> str:
        """``auth/approle`` for an auth method, the path itself for an engine."""
        return f"auth/{self.path}" if self.api == "auth" else self.path

    def desired(self) -> Fields:
        """Type, description, tuning and, for KV, its version."""
        fields: dict[str, Any] = {"type": self.type, "description": self.description}
        if self.max_ttl:
            fields["max_lease_ttl"] = self.max_ttl
        if self.version:
            fields["version"] = self.version
        return fields

    def read(self, reader: Reader) -> Fields | None:
        """From the table of mounts, which both servers give whole, and the limit in force."""
        mounts = read_data(reader, f"sys/{self.api}") or {}
        found = mounts.get(f"{self.path}/")
        if found is None:
            return None
        version = int((found.get("options") or {}).get("version", 1))
        actual = pick(self.desired(), {**found, "version": version})
        if self.max_ttl:
            actual["max_lease_ttl"] = min(self.max_ttl, max_ttl(reader, self.name))
        return actual

    def write(self, session: Session, before: Fields | None) -> None:
        """Mount it if it isn't there, and tune what is.

        Raises:
            CannotChange: type or version is another.
            Capped: its limit stays below what is declared.

        """
        refuse_change(self, before, ("type", *(["version"] if self.version else [])))
        if before is None:
            self._create(session)
            before = self.read(session) or {}
        differing = {key: value for key, value in self.desired().items() if before[key] != value}
        if differing:
            session.post(f"sys/{self.api}/{self.path}/tune", differing)
        if "max_lease_ttl" in differing:
            granted = max_ttl(session, self.name)
            if granted < self.max_ttl:
                raise Capped(self, "max_lease_ttl", self.max_ttl, granted)

    def _create(self, session: Session) -> None:
        body: dict[str, Any] = {"type": self.type, "description": self.description}
        if self.version:
            body["options"] = {"version": str(self.version)}
        session.post(f"sys/{self.api}/{self.path}", body, retry=False)


@dataclass(frozen=True, slots=True)
class KvConfig:
    """What holds for every secret of a KV v2 mount.

    Attributes:
        max_versions: versions kept of each secret; a grace period needs two or more.

    """

    kind: ClassVar[str] = "kv-config"

    mount: str
    max_versions: int

    @property
    def name(self) -> str:
        """The mount's path."""
        return self.mount

    def desired(self) -> Fields:
        """The number of versions kept, and that none is deleted for its age."""
        return {"max_versions": self.max_versions, "delete_version_after": 0}

    def read(self, reader: Reader) -> Fields | None:
        """None while the mount isn't there."""
        data = read_data(reader, f"{self.mount}/config")
        return pick(self.desired(), data) if data is not None else None

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Waits for a new mount to finish its upgrade: until then it answers 400."""

        def upgrading(error: BaseException) -> bool:
            return isinstance(error, RequestRefused) and error.status == HTTPStatus.BAD_REQUEST

        tenacity.Retrying(
            retry=tenacity.retry_if_exception(upgrading),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(_KV_UPGRADE),
            reraise=True,
        )(session.post, f"{self.mount}/config", self.desired())
