"""What guards the server: rate limits, password policies, the lockout of people."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import ClassVar, Final

from app_integration.session.session import Session
from vault.reconcile.resources import Fields, Reader, pick, read_data

#: What needs no escape in a URL.
_SYMBOLS: Final = "-_.~"
_LOCKOUT: Final = "user_lockout_config"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How often one address may ask.

    Attributes:
        path: a mount or a path below one; empty for the whole server.
        rate: requests in *interval* seconds.
        block: seconds that whoever asks more often is refused; 0 for the rest of the interval.

    """

    kind: ClassVar[str] = "rate-limit"

    name: str
    path: str
    rate: int
    interval: int
    block: int

    def desired(self) -> Fields:
        """Path and numbers."""
        return {
            "path": self.path,
            "rate": self.rate,
            "interval": self.interval,
            "block_interval": self.block,
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the quota on the server."""
        data = read_data(reader, self._api)
        if data is None:
            return None
        # The server puts a slash behind a mount, and none behind what is below one.
        return pick(self.desired(), {**data, "path": data["path"].rstrip("/")})

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or replace it; counts begin anew."""
        session.post(self._api, self.desired())

    @property
    def _api(self) -> str:
        return f"sys/quotas/rate-limit/{self.name}"


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What the server draws passwords by: letters, digits and, if wanted, symbols."""

    kind: ClassVar[str] = "password-policy"

    name: str
    length: int
    symbols: bool

    def desired(self) -> Fields:
        """The policy's text; white space doesn't count."""
        return {"policy": " ".join(self._text().split())}

    def read(self, reader: Reader) -> Fields | None:
        """The same of the policy on the server."""
        data = read_data(reader, self._path)
        return {"policy": " ".join(data["policy"].split())} if data is not None else None

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Replace it; passwords already drawn stay."""
        session.post(self._path, {"policy": self._text()})

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
    """After how many wrong passwords nobody gets in under a name for a while.

    Attributes:
        name: the auth mount.
        duration: seconds that it is locked.
        reset_after: seconds after which a wrong try is forgotten.

    """

    kind: ClassVar[str] = "user-lockout"

    name: str
    threshold: int
    duration: int
    reset_after: int

    def desired(self) -> Fields:
        """The numbers, and that it is in force."""
        return {
            "lockout_threshold": self.threshold,
            "lockout_duration": self.duration,
            "lockout_counter_reset_duration": self.reset_after,
            "lockout_disable": False,
        }

    def read(self, reader: Reader) -> Fields | None:
        """From the table of mounts, as :class:`~vault.reconcile.resources.mounts.Mount` does."""
        found = (read_data(reader, "sys/auth") or {}).get(f"{self.name}/")
        if found is None:
            return None
        told = found["config"].get(_LOCKOUT) or {}
        return {key: told.get(f"user_{key}") for key in self.desired()}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Tune the mount; all of it together, as what isn't given becomes zero."""
        config = {key: _as_text(value) for key, value in self.desired().items()}
        session.post(f"sys/auth/{self.name}/tune", {_LOCKOUT: config})


def _as_text(value: object) -> object:
    """Numbers as the server takes them here: as text."""
    return value if isinstance(value, bool) else str(value)
