"""JWT and OIDC logins: JWT for services and jobs, OIDC for people, by one engine on two mounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, ReadSession
from vault.reconcile.resources.ownership import OwnershipEntry
from vault.reconcile.resources.tokens import AuthConfig, AuthRole, TokenRules, normalise_fields
from vault.reconcile.resources.write_only import AS_PROVIDED, WriteOnly

#: The signature algorithms that a provider may use. The server's default is RS256 alone.
_ALGORITHMS: Final = ("ES256", "EdDSA", "PS256", "RS256")
_SECRET: Final = "oidc_client_secret"  # noqa: S105 (a field's name)


@dataclass(frozen=True, slots=True)
class JwtConfig(AuthConfig):
    """Configuration of a JWT mount: the issuer of the tokens and its public keys.

    They are *keys* in PEM, or else behind the URL *jwks*, to which the server sends a request when
    this is written. An empty *ca* is the system's authorities.
    """

    kind: ClassVar[str] = "jwt-config"
    depends_on: ClassVar[tuple[str, ...]] = ("mount",)

    name: str
    issuer: str
    keys: tuple[str, ...] = ()
    jwks: str = ""
    ca: str = ""

    def desired(self) -> Fields:
        """Return the issuer and its keys."""
        return {
            "bound_issuer": self.issuer,
            "jwt_validation_pubkeys": sorted(key.strip() for key in self.keys),
            "jwks_url": self.jwks,
            "jwks_ca_pem": self.ca.strip(),
            "oidc_discovery_url": "",
        }

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:  # noqa: ARG002 (overrides)
        return normalise_fields(self.desired(), data)


@dataclass(frozen=True, slots=True)
class JwtRole(AuthRole):
    """A JWT role: which tokens log in as one service. An empty *subject* allows any."""

    kind: ClassVar[str] = "jwt-role"
    depends_on: ClassVar[tuple[str, ...]] = ("policy", "jwt-config")
    listed_at: ClassVar[str] = "auth/jwt/role"

    name: str
    mount: str
    audience: str
    subject: str
    claims: Mapping[str, tuple[str, ...]]
    tokens: TokenRules

    def desired(self) -> Fields:
        """Return the claims that must match exactly, and the settings of the tokens."""
        return {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": [self.audience],
            "bound_subject": self.subject,
            "bound_claims": {claim: _one_or_list(each) for claim, each in self.claims.items()},
            "bound_claims_type": "string",
            "verbose_oidc_logging": False,
            **self.tokens.fields(),
        }


def _one_or_list(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else sorted(values)


@dataclass(frozen=True, slots=True)
class OidcConfig(AuthConfig):
    """Configuration of an OIDC mount: the provider and the server's client there.

    The server sends a request to *discovery*, the issuer's URL, when this is written. An empty *ca*
    is the system's authorities.
    """

    kind: ClassVar[str] = "oidc-config"
    depends_on: ClassVar[tuple[str, ...]] = ("transit-key",)

    name: str
    discovery: str
    ca: str
    client_id: str
    default_role: str
    inputs: Inputs = field(repr=False)
    ownership: OwnershipEntry

    def desired(self) -> Fields:
        """Return provider, client and, if the operator provides the client secret, its state."""
        return {**self._config(), **self._secret.desired()}

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:
        return {**normalise_fields(self._config(), data), **self._secret.read(reader)}

    def check(self, before: Fields | None) -> None:  # noqa: ARG002 (each write needs the secret)
        """Check that the operator provides the client secret."""
        self._require_secret()

    def write(self, session: Session, before: Fields | None) -> None:
        """Replace the configuration, together with the client secret.

        The server drops a client secret that a write omits, so each write needs it.
        """
        secret = self._require_secret()
        session.post(self._path, {**self._config(), _SECRET: secret.reveal()})
        if before is None or before.get(_SECRET) != AS_PROVIDED:
            self.ownership.write(session, self._secret.fingerprint_metadata(session))

    def _config(self) -> dict[str, Any]:
        return {
            "oidc_discovery_url": self.discovery,
            "oidc_discovery_ca_pem": self.ca.strip(),
            "oidc_client_id": self.client_id,
            "default_role": self.default_role,
            "bound_issuer": "",
            "jwt_supported_algs": list(_ALGORITHMS),
        }

    def _require_secret(self) -> Secret:
        return self.inputs.get_required(f"{self._path}/{_SECRET}")

    @property
    def _secret(self) -> WriteOnly:
        return WriteOnly(self.ownership, self.inputs.get(f"{self._path}/{_SECRET}"), _SECRET)


@dataclass(frozen=True, slots=True)
class OidcRole(AuthRole):
    """An OIDC role: one way for people to log in with a browser.

    The person's groups decide on the policies.
    """

    kind: ClassVar[str] = "oidc-role"
    depends_on: ClassVar[tuple[str, ...]] = ("oidc-config",)
    listed_at: ClassVar[str] = "auth/oidc/role"

    name: str
    mount: str
    redirect_uris: tuple[str, ...]
    user_claim: str
    groups_claim: str
    scopes: tuple[str, ...]
    claims: Mapping[str, str]
    tokens: TokenRules

    def desired(self) -> Fields:
        """Return the redirect URIs, the claims to read or check, and the settings of the tokens."""
        return {
            "role_type": "oidc",
            "allowed_redirect_uris": sorted(self.redirect_uris),
            "user_claim": self.user_claim,
            "groups_claim": self.groups_claim,
            "oidc_scopes": sorted(self.scopes),
            "bound_claims": dict(self.claims),
            "bound_claims_type": "string",
            "verbose_oidc_logging": False,
            **self.tokens.fields(),
        }
