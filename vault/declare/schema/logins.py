"""What an environment may say of logins: the server's auth methods, and who gets in by them.

One method of each type, mounted under the type's own name, next to AppRole, which is always there.
Keys and certificates are PEM files beside the environment's file; all of them are public.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from vault.declare.faults import InvalidValue, shown
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import Address, PartName, distinct, split_address

#: Auth methods by which a service can log in; each is a key of :class:`ServiceLogin`.
SERVICE_METHODS: Final = ("approle", "jwt", "kubernetes", "cert")

_PEM = re.compile(r"[A-Za-z0-9][\w.-]*\.pem", re.ASCII)
_KUBERNETES = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)


def _pem_file(value: str) -> str:
    if not _PEM.fullmatch(value):
        raise InvalidValue(f"is {shown(value)}", "a file name such as ci.pem, beside this file")
    return value


def _exact(value: str) -> str:
    if not value.strip() or "*" in value or not value.isprintable():
        raise InvalidValue(f"is {shown(value)}", "the exact text, as '*' would let in others")
    return value


def _kubernetes_name(value: str) -> str:
    if not _KUBERNETES.fullmatch(value):
        raise InvalidValue(f"is {shown(value)}", "the exact name, as '*' would let in others")
    return value


def _url(value: str) -> str:
    expected = "https://host/path, without user and fragment"
    parts = split_address(value)
    if value.startswith("file:"):
        raise InvalidValue(f"is {shown(value)}", "https://…; keys in a file go under 'keys'")
    if parts is None or parts.scheme not in {"http", "https"}:
        raise InvalidValue(f"is {shown(value)}", expected)
    if parts.username or parts.password or parts.fragment:
        raise InvalidValue(f"is {shown(value)}", expected)
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/") or not value.isprintable():
        raise InvalidValue(
            f"is {shown(value)}", "a path from the root, such as /run/strongroom/jwt"
        )
    return value


PemFile = Annotated[str, AfterValidator(_pem_file)]
Exact = Annotated[str, AfterValidator(_exact)]
KubernetesName = Annotated[str, AfterValidator(_kubernetes_name)]
Url = Annotated[str, AfterValidator(_url)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class JwtMethod(Section):
    """Tokens that somebody else signs, such as a CI system: by listed keys, or by a key set."""

    issuer: Exact = Field(description="the 'iss' of its tokens, such as https://ci.example.com")
    keys: Annotated[tuple[PemFile, ...], AfterValidator(distinct)] | None = Field(
        None, description="a list of PEM files with public keys"
    )
    jwks: Url | None = Field(None, description="https://… where the issuer publishes its keys")
    ca: PemFile | None = Field(None, description="a PEM file that vouches for the host of jwks")


class KubernetesMethod(Section):
    """A cluster whose API tells whether a service account's token is good."""

    host: Address = Field(description="https://host:port of the cluster's API")
    ca: PemFile = Field(description="a PEM file that vouches for the API")


class CertMethod(Section):
    """TLS client certificates of one authority."""

    ca: PemFile = Field(description="a PEM file with the certificate of the authority")


class OidcRole(Section):
    """One way for people to log in through the browser."""

    redirect_uris: Annotated[tuple[Url, ...], AfterValidator(distinct)] = Field(
        description="a list such as [http://localhost:8250/oidc/callback]"
    )
    claims: Mapping[Exact, Exact] = Field({}, description="entries like 'hd: example.com'")


class OidcMethod(Section):
    """An OpenID provider where people log in."""

    discovery: Url = Field(description="https://…, the provider's issuer")
    ca: PemFile | None = Field(None, description="a PEM file that vouches for the provider")
    client_id: Exact = Field(description="what the provider knows this server as")
    user_claim: Exact = Field("sub", description="the claim that names a person for good")
    groups_claim: Exact = Field("groups", description="the claim that lists a person's groups")
    scopes: Annotated[tuple[Exact, ...], AfterValidator(distinct)] | None = Field(
        None, description="a list of scopes besides openid, such as [groups]"
    )
    roles: Mapping[PartName, OidcRole] = Field(
        description="entries like 'default: {redirect_uris: [http://localhost:8250/oidc/callback]}'"
    )


class Auth(Section):
    """The auth methods of an environment's server, each mounted under its key."""

    jwt: JwtMethod | None = Field(None, description="a mapping with issuer, and keys or jwks")
    kubernetes: KubernetesMethod | None = Field(None, description="a mapping with host and ca")
    cert: CertMethod | None = Field(None, description="a mapping with ca")
    oidc: OidcMethod | None = Field(
        None, description="a mapping with discovery, client_id and roles"
    )


class Group(Section):
    """People who have a group at the provider, and what they may do."""

    claim: Exact = Field(description="the group's name in the provider's claim")
    policies: Annotated[tuple[str, ...], AfterValidator(distinct)] = Field(
        description="a list of policies"
    )


class AppRoleLogin(Section):
    """A role-id and a secret-id: nothing to say of it."""


class JwtLogin(Section):
    """Which tokens of the issuer are the service's."""

    audience: Exact = Field(description="the 'aud' that its tokens are made for")
    subject: Exact | None = Field(None, description="the 'sub' of its tokens")
    claims: Mapping[Exact, Exact] = Field({}, description="entries like 'ref: refs/heads/main'")


class KubernetesLogin(Section):
    """Which service accounts are the service's."""

    namespaces: Annotated[tuple[KubernetesName, ...], AfterValidator(distinct)] = Field(
        description="a list of namespaces"
    )
    service_accounts: Annotated[tuple[KubernetesName, ...], AfterValidator(distinct)] = Field(
        description="a list of service accounts"
    )
    audience: Exact | None = Field(None, description="the 'aud' that its tokens are made for")


class CertLogin(Section):
    """Which certificates of the authority are the service's."""

    names: Annotated[tuple[Exact, ...], AfterValidator(distinct)] = Field(
        description="a list of common names or DNS names"
    )


class ServiceLogin(Section):
    """The methods by which one service may log in; no others are set up for it."""

    approle: AppRoleLogin | None = Field(None, description="{}")
    jwt: JwtLogin | None = Field(None, description="a mapping with audience, subject or claims")
    kubernetes: KubernetesLogin | None = Field(
        None, description="a mapping with namespaces and service_accounts"
    )
    cert: CertLogin | None = Field(None, description="a mapping with names")


#: How an agent logs in: a key of :class:`ServiceLogin`.
AgentMethod = Literal["approle", "jwt", "kubernetes", "cert"]
