"""Logins by TLS client certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app_integration.session.session import Session
from vault.reconcile.resources import Fields, Reader
from vault.reconcile.resources.tokens import TokenRules, read_role


@dataclass(frozen=True, slots=True)
class CertRole:
    """Which certificates of an authority are one service's.

    Attributes:
        ca: PEM of the authority.
        names: common names or DNS names, of which a certificate must have one.

    """

    kind: ClassVar[str] = "cert-role"

    name: str
    mount: str
    ca: str
    names: tuple[str, ...]
    tokens: TokenRules

    def desired(self) -> Fields:
        """Authority and names, and what a certificate is exchanged for."""
        return {
            "certificate": self.ca.strip(),
            "allowed_names": sorted(self.names),
            "display_name": self.name,
            **self.tokens.fields(),
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the role on the server."""
        return read_role(reader, f"auth/{self.mount}", self._path, self.desired())

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or change it."""
        session.post(self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"auth/{self.mount}/certs/{self.name}"
