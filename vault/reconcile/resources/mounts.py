"""Secrets engines and auth methods, with their tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

import tenacity

from app_integration.errors import ConfigurationError, RequestRefused
from app_integration.session.session import Session
from vault.declare import durations
from vault.declare.server_names import DEFAULT_DEPLOYMENT
from vault.reconcile.resources import (
    Fields,
    ReadSession,
    Resource,
    StoredObject,
    check_immutable,
    read_data,
    select_fields,
)
from vault.reconcile.resources.marks import MARKED_BY, describe, described_owner

_PLAIN_KEYS: Final = "audit_non_hmac_response_keys"
_NO_LOCKOUT: Final = "lockout_disable"
_KV_UPGRADE: Final = 15  # seconds a new KV v2 mount may answer 400 while it upgrades itself


class MaxTtlTooLow(ConfigurationError):
    """A TTL on the server that is shorter than the declared one."""

    def __init__(self, resource: Resource, field: str, declared: int, granted: int) -> None:
        super().__init__(
            f"{resource.kind} {resource.name}: {field} is {durations.render(declared)} in the"
            f" declaration, but the server grants {durations.render(granted)} at most; declare no"
            " more than that, or have the server's operator raise its limit"
        )


def read_max_ttl(reader: ReadSession, mount: str) -> int:
    """Return the maximum TTL in seconds for everything that *mount* issues.

    It is the mount's own ``max_lease_ttl``, or the server's if the mount has none.
    """
    # For an auth method too, because sys/auth/<method>/tune returns the same but needs sudo.
    data = read_data(reader, f"sys/mounts/{mount}/tune") or {}
    return durations.normalise(data.get("max_lease_ttl") or 0)


@dataclass(frozen=True, slots=True)
class Mount:
    """A secrets engine (``api="mounts"``) or an auth method (``api="auth"``).

    With *is_given* others make the mount, so that this only raises its maximum TTL to *max_ttl*
    seconds. A higher limit stays, and so do further *plain_keys* than these, which the audit log
    has in plain.
    """

    kind: ClassVar[str] = "mount"
    depends_on: ClassVar[tuple[str, ...]] = ()

    api: str
    path: str
    type: str
    description: str
    max_ttl: int = 0
    version: int | None = None
    deployment: str = DEFAULT_DEPLOYMENT
    is_given: bool = False
    plain_keys: tuple[str, ...] = ()
    has_lockout: bool = True

    @property
    def name(self) -> str:
        """Return ``auth/<path>`` for an auth method, the path itself for a secrets engine."""
        return f"auth/{self.path}" if self.api == "auth" else self.path

    def desired(self) -> Fields:
        """Return the type, the description of an own mount, the tuning and the KV version."""
        fields: dict[str, Any] = {"type": self.type}
        if not self.is_given:
            fields["description"] = describe(self.description, self.deployment)
        if self.max_ttl:
            fields["max_lease_ttl"] = self.max_ttl
        if self.version:
            fields["version"] = self.version
        if self.plain_keys and not self.is_given:
            fields[_PLAIN_KEYS] = sorted(self.plain_keys)
        if not self.has_lockout and not self.is_given:
            fields[_NO_LOCKOUT] = True
        return fields

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the mount's fields from the table of all mounts, None if it is not mounted.

        The maximum TTL is capped at the declared one, so that a higher limit is no change. The
        other settings of a mount that another deployment made count as declared.
        """
        mounts = read_data(reader, f"sys/{self.api}") or {}
        found = mounts.get(f"{self.path}/")
        if found is None:
            return None
        version = int((found.get("options") or {}).get("version", 1))
        owner = described_owner(found.get("description") or "", self.description)
        actual = {
            **select_fields(self.desired(), {**found, "version": version}),
            MARKED_BY: owner,
        }
        if _PLAIN_KEYS in actual:
            actual[_PLAIN_KEYS] = self._compare_plain_keys(found.get("config") or {})
        if _NO_LOCKOUT in actual:
            lockout = (found.get("config") or {}).get("user_lockout_config") or {}
            actual[_NO_LOCKOUT] = bool(lockout.get("user_lockout_disable"))
        if owner not in (None, self.deployment):
            kept = {"description", _PLAIN_KEYS, _NO_LOCKOUT} & actual.keys()
            actual |= {key: self.desired()[key] for key in kept}
        if self.max_ttl:
            actual["max_lease_ttl"] = min(self.max_ttl, read_max_ttl(reader, self.name))
        return actual

    def _compare_plain_keys(self, config: Mapping[str, Any]) -> list[str]:
        """Return the keys that the server has in plain, without further ones if none is missing."""
        found, declared = set(config.get(_PLAIN_KEYS) or ()), {*self.plain_keys}
        return sorted(found if declared - found else declared)

    def check(self, before: Fields | None) -> None:
        """Check that an existing mount has the type and version, and that a given one exists."""
        check_immutable(self, before, ("type", *(["version"] if self.version else [])))
        if before is None and self.is_given:
            raise ConfigurationError(
                f"nothing is mounted at {self.name}; have the platform team mount {self.type} there"
            )

    def write(self, session: Session, before: Fields | None) -> None:
        """Mount the engine or method if it does not exist, and tune what differs."""
        self.check(before)
        if before is None:
            self._create(session)
            before = self.read(session) or {}
        differing = {key: value for key, value in self.desired().items() if before[key] != value}
        if _PLAIN_KEYS in differing:
            differing[_PLAIN_KEYS] = sorted({*before[_PLAIN_KEYS], *self.plain_keys})
        if _NO_LOCKOUT in differing:
            differing["user_lockout_config"] = {_NO_LOCKOUT: differing.pop(_NO_LOCKOUT)}
        if differing:
            # For an auth method too, because sys/auth/<method>/tune needs sudo.
            session.post(f"sys/mounts/{self.name}/tune", differing)
        if "max_lease_ttl" in differing:
            granted = read_max_ttl(session, self.name)
            if granted < self.max_ttl:
                raise MaxTtlTooLow(self, "max_lease_ttl", self.max_ttl, granted)

    def _create(self, session: Session) -> None:
        description = describe(self.description, self.deployment)
        body: dict[str, Any] = {"type": self.type, "description": description}
        if self.version:
            body["options"] = {"version": str(self.version)}
        session.post(f"sys/{self.api}/{self.path}", body, retry=False)


@dataclass(frozen=True, slots=True)
class KvConfig(StoredObject):
    """Settings for all secrets of a KV v2 mount; only compared if others make it (*is_given*)."""

    kind: ClassVar[str] = "kv-config"
    depends_on: ClassVar[tuple[str, ...]] = ("mount",)

    mount: str
    max_versions: int
    is_given: bool = False

    @property
    def name(self) -> str:
        """Return the mount's path."""
        return self.mount

    def desired(self) -> Fields:
        """Return the number of versions kept, and that no version is deleted because of its age."""
        return {"max_versions": self.max_versions, "delete_version_after": 0}

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:  # noqa: ARG002 (overrides)
        # A mount that someone else makes may keep any number of versions but one, which leaves no
        # previous one. The server's default, 0, keeps ten.
        if self.is_given and data["max_versions"] != 1:
            return {**data, "max_versions": self.max_versions}
        return data

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Write the settings, and retry while a new mount upgrades itself and responds 400."""
        if self.is_given:
            wanted = ", ".join(f"{key}={value}" for key, value in self.desired().items())
            raise ConfigurationError(
                f"the platform team configures {self.mount}; have it set {wanted} there"
            )

        def is_upgrading(error: BaseException) -> bool:
            return isinstance(error, RequestRefused) and error.status == HTTPStatus.BAD_REQUEST

        tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_upgrading),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(_KV_UPGRADE),
            reraise=True,
        )(session.post, self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"{self.mount}/config"
