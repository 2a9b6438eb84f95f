"""Models of auth methods, groups and logins in an environment file.

A server has at most one auth method of each type, mounted under the name of the type. AppRole is
always mounted. Keys and certificates are PEM files in the folder of the environment file. All of
them are public.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from vault.declare.errors import InvalidValue, format_value
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    SCHEME,
    Address,
    PartName,
    split_address,
)
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.text_types import Matching

#: Auth methods with which a service can log in. Each is a key of :class:`ServiceLogin`.
SERVICE_METHODS: Final = ("approle", "jwt", "kubernetes", "cert")

# A name without '*' that has a character other than spaces. Both exclude what is not printable.
_EXACT = r" *[^*\x00-\x20\x7f][^*\x00-\x1f\x7f]*"
_ABSOLUTE = r"/[^\x00-\x1f\x7f]*"


def _not_a_file(value: str) -> str:
    if value.startswith("file:"):
        expected = "https://…; list key files under 'keys' instead"
        raise InvalidValue(f"is {format_value(value)}", expected)
    return value


PemFile = Annotated[
    str,
    Matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.pem", "a file name such as ci.pem, in the same folder"),
]
Exact = Annotated[
    str, Matching(_EXACT, "the exact text, as '*' would admit others", str.isprintable)
]
KubernetesName = Annotated[
    str,
    Matching(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", "the exact name, as '*' would admit others"),
]
Url = Annotated[
    str,
    AfterValidator(_not_a_file),
    Matching(
        rf"{SCHEME}://[^/?#@\s]+(?:[/?][^#]*)?",
        "https://host/path, without user and fragment",
        split_address,
    ),
]
AbsolutePath = Annotated[
    str, Matching(_ABSOLUTE, "an absolute path such as /run/strongroom/jwt", str.isprintable)
]


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


#: A text, or a list of texts; a token has one of them. In both forms a tuple.
ClaimValues = Annotated[
    Distinct[Exact],
    BeforeValidator(_as_list, json_schema_input_type=Exact | Distinct[Exact]),
]


class JwtMethod(Section):
    """JWT auth method: tokens of an issuer such as a CI system, verified by keys or a JWKS."""

    issuer: Exact = Field(description="the 'iss' of its tokens, such as https://ci.example.com")
    keys: Distinct[PemFile] | None = Field(None, description="a list of PEM files with public keys")
    jwks: Url | None = Field(None, description="https://… where the issuer publishes its keys")
    ca: PemFile | None = Field(None, description="a PEM file with the CA of the host of jwks")


class KubernetesMethod(Section):
    """Kubernetes auth method: a cluster whose API verifies service account tokens."""

    host: Address = Field(description="https://host:port of the cluster's API")
    ca: PemFile = Field(description="a PEM file with the CA of the cluster's API")


class CertMethod(Section):
    """TLS certificate auth method: client certificates of one CA."""

    ca: PemFile = Field(description="a PEM file with the certificate of the CA")


class OidcRole(Section):
    """A role of the OIDC auth method, with which people log in through a browser."""

    redirect_uris: Distinct[Url] = Field(
        description="a list such as [http://localhost:8250/oidc/callback]"
    )
    claims: Mapping[Exact, Exact] = Field(
        {}, description="entries like 'hd: example.com', which a person's token has"
    )


class OidcMethod(Section):
    """OIDC auth method: an OpenID provider that authenticates people."""

    discovery: Url = Field(description="https://…, the provider's issuer")
    ca: PemFile | None = Field(None, description="a PEM file with the CA of the provider")
    client_id: Exact = Field(description="the client ID of this server at the provider")
    user_claim: Exact = Field("sub", description="the claim that identifies a person permanently")
    groups_claim: Exact = Field("groups", description="the claim that lists a person's groups")
    scopes: Distinct[Exact] | None = Field(
        None, description="a list of scopes besides openid, such as [groups]"
    )
    roles: Mapping[PartName, OidcRole] = Field(
        description="entries like 'default: {redirect_uris: [http://localhost:8250/oidc/callback]}'"
    )


class Auth(Section):
    """Auth methods of an environment's server, each mounted under its key."""

    jwt: JwtMethod | None = Field(None, description="a mapping with issuer, and keys or jwks")
    kubernetes: KubernetesMethod | None = Field(None, description="a mapping with host and ca")
    cert: CertMethod | None = Field(None, description="a mapping with ca")
    oidc: OidcMethod | None = Field(
        None, description="a mapping with discovery, client_id and roles"
    )


class Group(Section):
    """A group at the OpenID provider, and the policies of its members."""

    claim: Exact = Field(description="the group's name in the provider's claim")
    policies: Distinct[str] = Field(description="a list of policies, such as [developer]")


class AppRoleLogin(Section):
    """A login with a role-id and a secret-id. It has no keys."""


class JwtLogin(Section):
    """A login with tokens of the issuer that match an audience, a subject and claims."""

    audience: Exact = Field(description="the 'aud' of its tokens")
    subject: Exact | None = Field(
        None, description="the 'sub' of its tokens, such as 'repo:shop:environment:prod'"
    )
    claims: Mapping[Exact, ClaimValues] = Field(
        {}, description="entries like 'ref: refs/heads/main' or 'event_name: [push, pull_request]'"
    )


class KubernetesLogin(Section):
    """A login with the token of a Kubernetes service account."""

    namespaces: Distinct[KubernetesName] = Field(
        description="a list of namespaces, such as [shops]"
    )
    service_accounts: Distinct[KubernetesName] = Field(
        description="a list of service accounts, such as [tracking]"
    )
    audience: Exact | None = Field(None, description="the 'aud' of its tokens")


class CertLogin(Section):
    """A login with a client certificate that has one of the names."""

    names: Distinct[Exact] = Field(
        description="a list of common names or DNS names, such as [tracking.example.com]"
    )


class ServiceLogin(Section):
    """Auth methods with which one service may log in. Apply creates roles for these only."""

    approle: AppRoleLogin | None = Field(None, description="'{}', for a role-id and a secret-id")
    jwt: JwtLogin | None = Field(None, description="a mapping with audience, subject or claims")
    kubernetes: KubernetesLogin | None = Field(
        None, description="a mapping with namespaces and service_accounts"
    )
    cert: CertLogin | None = Field(None, description="a mapping with names")


class JobLogin(Section):
    """Auth method of one of the deployment's jobs, in addition to AppRole."""

    jwt: JwtLogin = Field(description="a mapping with audience, subject or claims")


class Jobs(Section):
    """Logins of the deployment's jobs, such as those of its repository's CI system."""

    plan: JobLogin | None = Field(None, description="a mapping with jwt, for a read-only plan")
    apply: JobLogin | None = Field(None, description="a mapping with jwt, to change the server")
    rotator: JobLogin | None = Field(None, description="a mapping with jwt, to rotate")
    auditor: JobLogin | None = Field(
        None, description="a mapping with jwt, to read ages, permissions and encrypted logs"
    )


#: Auth method of the agent: a key of :class:`ServiceLogin`.
AgentMethod = Literal["approle", "jwt", "kubernetes", "cert"]
