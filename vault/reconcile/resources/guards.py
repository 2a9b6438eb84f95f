"""Protection against abuse: rate limits, password policies and the lockout of userpass logins."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import ClassVar, Final

from app_integration.session.session import Session
from vault.declare.server_names import DEFAULT_DEPLOYMENT
from vault.reconcile.resources import Fields, ReadSession, StoredObject, read_data
from vault.reconcile.resources.denial import explain_denial
from vault.reconcile.resources.marks import MARKED_BY, mark, read_mark, strip_mark

#: Characters that need no escape in a URL.
_SYMBOLS: Final = "-_.~"
_LOCKOUT: Final = "user_lockout_config"


@dataclass(frozen=True, slots=True)
class RateLimit(StoredObject):
    """A rate limit quota: one client address may send *rate* requests in *interval* seconds.

    Beyond it, the server rejects the address for *block* seconds, or with 0 until the interval
    ends. An empty *path* is the whole server.
    """

    kind: ClassVar[str] = "rate-limit"
    depends_on: ClassVar[tuple[str, ...]] = ("kv-config",)
    listed_at: ClassVar[str] = "sys/quotas/rate-limit"

    name: str
    path: str
    rate: int
    interval: int
    block: int

    def desired(self) -> Fields:
        """Return the path and the limits."""
        return {
            "path": self.path,
            "rate": self.rate,
            "interval": self.interval,
            "block_interval": self.block,
        }

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:  # noqa: ARG002 (overrides)
        # The server adds a slash to the path of a mount, and none to a path below one.
        return {**data, "path": data["path"].rstrip("/")}

    @property
    def _path(self) -> str:
        return f"sys/quotas/rate-limit/{self.name}"


@dataclass(frozen=True, slots=True)
class PasswordPolicy(StoredObject):
    """A password policy: the server generates letters, digits and, if declared, symbols."""

    kind: ClassVar[str] = "password-policy"
    depends_on: ClassVar[tuple[str, ...]] = ("kv-config",)
    listed_at: ClassVar[str] = "sys/policies/password"

    name: str
    length: int
    symbols: bool
    deployment: str = DEFAULT_DEPLOYMENT
    is_fixed: bool = False

    def desired(self) -> Fields:
        """Return the policy's text, with white space normalised, and its owner."""
        return {"policy": " ".join(self._text().split()), MARKED_BY: self.deployment}

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:  # noqa: ARG002 (overrides)
        text = data["policy"]
        owner = read_mark(text, f"{self.kind} {self.name}")
        return {"policy": " ".join(strip_mark(text).split()), MARKED_BY: owner}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Replace the policy. Passwords that were already generated stay."""
        with explain_denial(self, is_fixed=self.is_fixed):
            session.post(self._path, {"policy": self.body()})

    def body(self) -> str:
        """Return the text as it is written, with the mark in its first line."""
        return f"{mark(self.deployment)}\n{self._text()}"

    def _text(self) -> str:
        kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        rules = (
            f'rule "charset" {{\n  charset = "{charset}"\n  min-chars = 1\n}}\n'
            for charset in (*kinds, *([_SYMBOLS] if self.symbols else []))
        )
        return "".join([f"length = {self.length}\n", *rules])

    @property
    def _path(self) -> str:
        return f"sys/policies/password/{self.name}"


@dataclass(frozen=True, slots=True)
class UserLockout:
    """Lockout of a user after *threshold* wrong passwords. Times are in seconds."""

    kind: ClassVar[str] = "user-lockout"
    depends_on: ClassVar[tuple[str, ...]] = ("mount",)

    name: str
    threshold: int
    duration: int
    reset_after: int

    def desired(self) -> Fields:
        """Return the limits, and that the lockout is not disabled."""
        return {
            "lockout_threshold": self.threshold,
            "lockout_duration": self.duration,
            "lockout_counter_reset_duration": self.reset_after,
            "lockout_disable": False,
        }

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the mount's lockout settings from ``sys/auth``, None if it is not mounted."""
        found = (read_data(reader, "sys/auth") or {}).get(f"{self.name}/")
        if found is None:
            return None
        config = found["config"].get(_LOCKOUT) or {}
        return {key: config.get(f"user_{key}") for key in self.desired()}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Tune the mount. Send all settings, because the server resets missing ones to 0."""
        tuning = {key: _as_text(value) for key, value in self.desired().items()}
        session.post(f"sys/auth/{self.name}/tune", {_LOCKOUT: tuning})


def _as_text(value: object) -> object:
    """Return a number as text, because this endpoint does not accept numbers."""
    return value if isinstance(value, bool) else str(value)
