"""Auth methods for the drift test: a declaration with each of them, and manual changes of fields.

The server under test is its own OIDC provider.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.support.servers.issuer import Authority, new_key, public
from vault.declare.declaration import Declaration
from vault.declare.schema.logins import Auth, Group, ServiceLogin

INPUTS: Final = {
    "auth/oidc/config/oidc_client_secret": Secret("x"),
    "auth/kubernetes/config/token_reviewer_jwt": Secret("x"),
}
#: The first is declared, the second is for manual changes.
KEYS: Final = tuple(public(new_key()) for _ in range(2))
CERTIFICATES: Final = tuple(Authority().pem for _ in range(2))
_PROVIDERS: Final = ("drift", "drift-other")


def with_logins(declaration: Declaration, address: str) -> Declaration:
    """Return *declaration* with every auth method. The server has the address *address*."""
    environment = declaration.environment("dev")
    deployment = environment.services["gaara-store"].model_copy(
        update={
            "login": ServiceLogin.model_validate(
                {
                    "approle": {},
                    "jwt": {"audience": "strongroom", "subject": "a", "claims": {"ref": "main"}},
                    "kubernetes": {"namespaces": ("shops",), "service_accounts": ("web",)},
                    "cert": {"names": ("shop.example.com",)},
                }
            )
        }
    )
    update = {
        "auth": _auth(address),
        "groups": {"drift": Group(claim="drift-team", policies=("strongroom-plan",))},
        "services": {**environment.services, "gaara-store": deployment},
    }
    return replace(
        declaration,
        environments={
            **declaration.environments,
            Environment.DEV: environment.model_copy(update=update),
        },
        pems={"key.pem": KEYS[0], "ca.pem": CERTIFICATES[0]},
    )


def _auth(address: str) -> Auth:
    role = {"redirect_uris": ("http://localhost:8250/oidc/callback",), "claims": {"hd": "a.com"}}
    return Auth.model_validate(
        {
            "jwt": {"issuer": "https://ci.example.com", "keys": ("key.pem",)},
            "kubernetes": {"host": "https://cluster.example.com:6443", "ca": "ca.pem"},
            "cert": {"ca": "ca.pem"},
            "oidc": {
                "discovery": f"{address}/v1/identity/oidc/provider/{_PROVIDERS[0]}",
                "client_id": "strongroom",
                "roles": {"default": role},
            },
        }
    )


def create_providers(session: Session, address: str) -> None:
    for name in _PROVIDERS:
        session.post(f"identity/oidc/provider/{name}", {"issuer": address})


def delete_logins(session: Session) -> None:
    """Delete everything that this module declares or creates, with its ownership metadata."""
    for method in ("jwt", "kubernetes", "cert", "oidc"):
        session.delete(f"sys/auth/{method}")
    session.delete("identity/group/name/drift")
    for kind in ("jwt-role", "kubernetes-role", "cert-role"):
        session.delete(f"secret/metadata/_strongroom/dev/{kind}/gaara-store-dev")
    for kind, name in (
        ("oidc-role", "default"),
        ("oidc-config", "oidc"),
        ("kubernetes-config", "kubernetes"),
        ("group", "drift"),
    ):
        session.delete(f"secret/metadata/_strongroom/dev/{kind}/{name}")
    for name in _PROVIDERS:
        session.delete(f"identity/oidc/provider/{name}")


def set_jwks_url(session: Session, _name: str) -> None:
    """Make the JWT method fetch keys from a JWKS URL, which excludes a list of keys."""
    found = session.get("auth/oidc/config")["data"]["oidc_discovery_url"]
    config = {"bound_issuer": "https://ci.example.com", "jwks_url": f"{found}/.well-known/keys"}
    session.post("auth/jwt/config", config)


def set_discovery_url(session: Session, _name: str) -> None:
    """Make the JWT method fetch keys by OIDC discovery, which excludes a list of keys."""
    found = session.get("auth/oidc/config")["data"]["oidc_discovery_url"]
    config = {"bound_issuer": "https://ci.example.com", "oidc_discovery_url": found}
    session.post("auth/jwt/config", config)


def set_other_provider(session: Session, _name: str) -> None:
    """Make the OIDC method use the other provider."""
    found = session.get("auth/oidc/config")["data"]
    other = found["oidc_discovery_url"].replace(*_PROVIDERS)
    merge_provider_config({"oidc_discovery_url": other})(session, "oidc")


def set_group_alias(claim: str, method: str) -> Callable[[Session, str], object]:
    """Return a change that maps a group to the value *claim* of the auth method *method*."""

    def change(session: Session, name: str) -> None:
        group = session.get(f"identity/group/name/{name}")["data"]["id"]
        accessor = session.get(f"sys/auth/{method}")["data"]["accessor"]
        body = {"name": claim, "canonical_id": group, "mount_accessor": accessor}
        session.post("identity/group-alias", body)

    return change


def merge_config(path: str, content: dict[str, Any]) -> Callable[[Session, str], object]:
    """Return a change that merges *content* into the current configuration at *path*.

    The current fields are sent too, because the server resets the fields that are not sent.
    """

    def change(session: Session, name: str) -> None:
        api_path = path.format(name=name)
        session.post(api_path, {**session.get(api_path)["data"], **content})

    return change


def merge_provider_config(content: dict[str, Any]) -> Callable[[Session, str], object]:
    """Return a change that merges *content* into the OIDC configuration, with the same secret."""
    return merge_config("auth/oidc/config", {"oidc_client_secret": "x", **content})
