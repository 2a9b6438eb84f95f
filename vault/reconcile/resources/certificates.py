"""Logins by TLS client certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app_integration.session.session import Session
from vault.reconcile.resources import Fields, ReadSession
from vault.reconcile.resources.tokens import TokenRules, read_role


@dataclass(frozen=True, slots=True)
class CertRole:
    """A cert auth role: which certificates of an authority log in as one service.

    A certificate must have at least one of *names*, as a common name or a DNS name.
    """

    kind: ClassVar[str] = "cert-role"
    depends_on: ClassVar[tuple[str, ...]] = ("policy",)
    listed_at: ClassVar[str] = "auth/cert/certs"

    name: str
    mount: str
    ca: str
    names: tuple[str, ...]
    tokens: TokenRules

    def desired(self) -> Fields:
        """Return the authority, the allowed names and the settings of the tokens."""
        return {
            "certificate": self.ca.strip(),
            "allowed_names": sorted(self.names),
            "display_name": self.name,
            **self.tokens.fields(),
        }

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the role's fields, its TTLs as capped by the mount; None if it does not exist."""
        return read_role(reader, f"auth/{self.mount}", self._path, self.desired())

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or update the role."""
        session.post(self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"auth/{self.mount}/certs/{self.name}"
