"""Secrets engines, auth methods and their tuning."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

import tenacity

from app_integration.errors import RequestRefused
from app_integration.session.session import Session
from vault.reconcile.resources import Fields, Reader, pick, read_data, refuse_change

_KV_UPGRADE: Final = 15  # seconds a new KV v2 mount may answer 400 while it upgrades itself


@dataclass(frozen=True, slots=True)
class Mount:
    """A secrets engine (``api="mounts"``) or an auth method (``api="auth"``).

    Attributes:
        path: without a trailing slash.
        max_ttl: seconds that a lease lives at most; 0 leaves it to the server.
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
        """From the table of mounts, which both servers give whole."""
        mounts = read_data(reader, f"sys/{self.api}") or {}
        found = mounts.get(f"{self.path}/")
        if found is None:
            return None
        version = int((found.get("options") or {}).get("version", 1))
        return pick(self.desired(), {**found, **found["config"], "version": version})

    def write(self, session: Session, before: Fields | None) -> None:
        """Mount it, or tune what is there."""
        refuse_change(self, before, ("type", *(["version"] if self.version else [])))
        tuning = {
            key: value for key, value in self.desired().items() if key not in {"type", "version"}
        }
        if before is not None:
            session.post(f"sys/{self.api}/{self.path}/tune", tuning)
            return
        config = {key: value for key, value in tuning.items() if key != "description"}
        body: dict[str, Any] = {
            "type": self.type,
            "description": self.description,
            "config": config,
        }
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
        """The number of versions kept."""
        return {"max_versions": self.max_versions}

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
