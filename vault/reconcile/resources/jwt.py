"""Logins by signed token: JWT for services and jobs, OpenID for people. One engine, two mounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app_integration.session.session import Session
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, Reader
from vault.reconcile.resources.ownership import write_note
from vault.reconcile.resources.tokens import TokenRules, read_fields, read_role
from vault.reconcile.resources.write_only import AS_GIVEN, WriteOnly

#: How a provider may sign. The server's own default is RS256 alone.
_ALGORITHMS: Final = ("ES256", "EdDSA", "PS256", "RS256")
_SECRET: Final = "oidc_client_secret"  # noqa: S105 (a field's name)


@dataclass(frozen=True, slots=True)
class JwtConfig:
    """Whose tokens are taken: those that one issuer signed.

    Attributes:
        keys: public keys in PEM; empty where *jwks* is given.
        jwks: address of the issuer's key set. The server fetches it when it is written.
        ca: PEM of whoever vouches for that address; empty for the system's.

    """

    kind: ClassVar[str] = "jwt-config"

    name: str
    issuer: str
    keys: tuple[str, ...] = ()
    jwks: str = ""
    ca: str = ""

    def desired(self) -> Fields:
        """Issuer and keys."""
        return {
            "bound_issuer": self.issuer,
            "jwt_validation_pubkeys": sorted(key.strip() for key in self.keys),
            "jwks_url": self.jwks,
            "jwks_ca_pem": self.ca.strip(),
            "oidc_discovery_url": "",
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the method on the server."""
        return read_fields(reader, self._path, self.desired())

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Replace the configuration."""
        session.post(self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"auth/{self.name}/config"


@dataclass(frozen=True, slots=True)
class JwtRole:
    """Which tokens of the issuer are one service's.

    Attributes:
        audience: must be among a token's.
        subject: must be the token's; empty for any.
        claims: claim → the value that it must have.

    """

    kind: ClassVar[str] = "jwt-role"

    name: str
    mount: str
    audience: str
    subject: str
    claims: Mapping[str, str]
    tokens: TokenRules

    def desired(self) -> Fields:
        """What a token must say, word for word, and what it is exchanged for."""
        return {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": [self.audience],
            "bound_subject": self.subject,
            "bound_claims": dict(self.claims),
            "bound_claims_type": "string",
            "verbose_oidc_logging": False,
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
        return f"auth/{self.mount}/role/{self.name}"


@dataclass(frozen=True, slots=True)
class OidcConfig:
    """The OpenID provider where people log in, and what the server is to it.

    Attributes:
        discovery: the provider's issuer. The server asks there when it is written.
        ca: PEM of whoever vouches for that address; empty for the system's.
        default_role: taken by a login that names none.
        record: path of the note that holds the client secret's fingerprint.

    """

    kind: ClassVar[str] = "oidc-config"

    name: str
    discovery: str
    ca: str
    client_id: str
    default_role: str
    supply: Inputs = field(repr=False)
    record: str

    def desired(self) -> Fields:
        """Provider and client, and the client's secret if one is given."""
        return {**self._config(), **self._secret.desired()}

    def read(self, reader: Reader) -> Fields | None:
        """The same of the method on the server."""
        found = read_fields(reader, self._path, self._config())
        return None if found is None else {**found, **self._secret.read(reader)}

    def write(self, session: Session, before: Fields | None) -> None:
        """Replace the configuration.

        The server forgets a secret that isn't sent along, so it is needed each time.
        """
        secret = self.supply.required(f"{self._path}/{_SECRET}")
        session.post(self._path, {**self._config(), _SECRET: secret.reveal()})
        if before is None or before.get(_SECRET) != AS_GIVEN:
            write_note(session, self.record, self._secret.notes(session))

    def _config(self) -> dict[str, Any]:
        return {
            "oidc_discovery_url": self.discovery,
            "oidc_discovery_ca_pem": self.ca.strip(),
            "oidc_client_id": self.client_id,
            "default_role": self.default_role,
            "bound_issuer": "",
            "jwt_supported_algs": list(_ALGORITHMS),
        }

    @property
    def _secret(self) -> WriteOnly:
        return WriteOnly(self.record, self.supply.get(f"{self._path}/{_SECRET}"), _SECRET)

    @property
    def _path(self) -> str:
        return f"auth/{self.name}/config"


@dataclass(frozen=True, slots=True)
class OidcRole:
    """One way for people to log in through the browser; their groups decide what they may do.

    Attributes:
        redirect_uris: where the provider may send a browser back to.
        claims: claim → the value that it must have.

    """

    kind: ClassVar[str] = "oidc-role"

    name: str
    mount: str
    redirect_uris: tuple[str, ...]
    user_claim: str
    groups_claim: str
    scopes: tuple[str, ...]
    claims: Mapping[str, str]
    tokens: TokenRules

    def desired(self) -> Fields:
        """Where a browser comes back to, what is read of a person, and for how long it holds."""
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

    def read(self, reader: Reader) -> Fields | None:
        """The same of the role on the server."""
        return read_role(reader, f"auth/{self.mount}", self._path, self.desired())

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or change it."""
        session.post(self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"auth/{self.mount}/role/{self.name}"
