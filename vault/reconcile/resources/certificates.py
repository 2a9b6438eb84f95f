"""Logins by TLS client certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vault.reconcile.resources import Fields
from vault.reconcile.resources.tokens import AuthRole, TokenRules


@dataclass(frozen=True, slots=True)
class CertRole(AuthRole):
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

    @property
    def _path(self) -> str:
        return f"auth/{self.mount}/certs/{self.name}"
