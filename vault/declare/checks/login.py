"""Checks of logins across fields: missing keys and PEM files, auth methods that are not declared.

The checks read plain data instead of validated models, so that one run reports every error. See
:mod:`vault.declare.checks.service`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from app_integration.names import DEFAULT_ROLE, Environment
from vault.declare.checks.environment import (
    find_address_error,
    find_unknown_policies,
    people_policies,
    service_policies,
)
from vault.declare.checks.service import Data, section
from vault.declare.checks.shared_server import deployment_id
from vault.declare.errors import FieldError, Loc, format_value, join_names, suggest
from vault.declare.schema.logins import SERVICE_METHODS
from vault.declare.server_names import DEVELOPER, server_name

_URLS: Final = (("jwt", "jwks"), ("kubernetes", "host"), ("oidc", "discovery"))
_CAS: Final = ("jwt", "kubernetes", "cert", "oidc")
#: Auth method → keys of the files that the agent needs for its login.
_AGENT_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "jwt": ("token_file",),
    "kubernetes": ("token_file",),
    "cert": ("certificate_file", "key_file"),
}


def find_errors(
    data: Data, *, stem: str, services: Mapping[str, Data | None], pems: Mapping[str, bytes]
) -> Iterator[FieldError]:
    """Return the errors of auth methods, logins and groups in the environment file *stem*.yaml."""
    yield from _key_source(section(data, "auth", "jwt"))
    yield from _pem_files(section(data, "auth"), pems)
    for name in section(data, "services"):
        ca = section(data, "services", name, "redis").get("ca")
        yield from _pem(("services", name, "redis", "ca"), ca, pems, _certificates)
    yield from _addresses(section(data, "auth"), stem)
    yield from _oidc_roles(section(data, "auth", "oidc"))
    yield from _groups(data, stem)
    for name in section(data, "services"):
        yield from _service(data, name, stem)
    for name in section(data, "jobs"):
        yield from _login(data, ("jobs", name), section(data, "jobs", name))
    yield from _agent(data, services)


def _key_source(jwt: Data) -> Iterator[FieldError]:
    loc: Loc = ("auth", "jwt")
    if jwt and "keys" not in jwt and "jwks" not in jwt:
        what = "lacks the key 'keys' or 'jwks'"
        yield FieldError(
            (*loc, "keys"), what, "PEM files of public keys, or an address", subject=loc
        )
    if "keys" in jwt and "jwks" in jwt:
        yield FieldError((*loc, "jwks"), "is set together with keys", "one of the two")
    if "ca" in jwt and "jwks" not in jwt:
        expected = "nothing, as it verifies the host of jwks only"
        yield FieldError((*loc, "ca"), "is set without jwks", expected)


def _pem_files(auth: Data, pems: Mapping[str, bytes]) -> Iterator[FieldError]:
    for method in _CAS:
        loc: Loc = ("auth", method, "ca")
        yield from _pem(loc, section(auth, method).get("ca"), pems, _certificates)
    keys = section(auth, "jwt").get("keys")
    for index, name in enumerate(keys if isinstance(keys, tuple) else ()):
        yield from _pem(("auth", "jwt", "keys", index), name, pems, _public_key)


def _pem(
    loc: Loc, name: object, pems: Mapping[str, bytes], parse: Callable[[bytes], Any]
) -> Iterator[FieldError]:
    if not isinstance(name, str):
        return
    if name not in pems:
        what, near = f"is {format_value(name)}, which does not exist", suggest(name, pems)
        existing = join_names(pems, nothing="none exists yet")
        yield FieldError(loc, what, f"a file in the same folder: {existing}", near)
    elif b"PRIVATE KEY" in pems[name]:
        what = f"is {format_value(name)}, which contains a private key"
        yield FieldError(
            loc, what, "a public key; remove the private key from the folder, and rotate it"
        )
    else:
        try:
            parse(pems[name])
        except ValueError:
            content = "public key" if parse is _public_key else "certificate"
            what = f"is {format_value(name)}, which does not contain a valid {content}"
            yield FieldError(loc, what, f"a PEM file with a {content}")


def _public_key(content: bytes) -> object:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 (few declare a key)
        load_pem_public_key,
    )

    return load_pem_public_key(content)


def _certificates(content: bytes) -> object:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 (few declare a CA)

    return load_pem_x509_certificates(content)


def _addresses(auth: Data, stem: str) -> Iterator[FieldError]:
    """Require https, because an attacker could replace keys that are fetched over http."""
    for method, key in _URLS:
        address = section(auth, method).get(key)
        error = find_address_error(stem, address) if isinstance(address, str) else None
        if error:
            yield FieldError(("auth", method, key), error.what, error.expected)


def _oidc_roles(oidc: Data) -> Iterator[FieldError]:
    roles = oidc.get("roles")
    if isinstance(roles, Mapping) and DEFAULT_ROLE not in roles:
        what = f"lacks the role {DEFAULT_ROLE!r}"
        expected = "it, as a login without a role uses it"
        yield FieldError(("auth", "oidc", "roles"), what, expected)
    for name in roles if isinstance(roles, Mapping) else ():
        uris = section(roles, name).get("redirect_uris")
        for index, uri in enumerate(uris if isinstance(uris, tuple) else ()):
            # The rule of dev allows loopback http, because the CLI listens for the redirect on
            # the person's machine without TLS, even if the Vault server is remote.
            error = find_address_error(Environment.DEV, uri) if isinstance(uri, str) else None
            if error:
                loc = ("auth", "oidc", "roles", name, "redirect_uris", index)
                yield FieldError(loc, error.what, error.expected)


def _groups(data: Data, stem: str) -> Iterator[FieldError]:
    groups = section(data, "groups")
    if groups and not section(data, "auth", "oidc"):
        expected = "auth.oidc too, as a group's members come from its claim"
        yield FieldError(("groups",), "has the key 'groups'", expected, subject=())
    # The policy of developers exists in dev only.
    absent = () if stem == Environment.DEV else (server_name(deployment_id(data), DEVELOPER),)
    people = [name for name in people_policies(data) if name not in absent]
    known = [*people, *service_policies(data, stem)]
    for name in groups:
        yield from find_unknown_policies(("groups", name), section(groups, name), known)
    yield from _claims(groups)


def _claims(groups: Data) -> Iterator[FieldError]:
    """Report repeated claim values, because the server maps each value to one group only."""
    first: dict[str, str] = {}
    for name in groups:
        claim = section(groups, name).get("claim")
        if isinstance(claim, str) and first.setdefault(claim, name) != name:
            what = f"is {format_value(claim)}, as in groups.{first[claim]}"
            yield FieldError(("groups", name, "claim"), what, "one group for each claim")


def _service(data: Data, name: str, stem: str) -> Iterator[FieldError]:
    here: Loc = ("services", name, "login")
    yield from _colours(data, name)
    if "login" not in section(data, "services", name):
        return
    login = section(data, "services", name, "login")
    yield from _login(data, here, login)
    if stem == Environment.DEV and "approle" not in login:
        expected = "'approle: {}' in dev, as the local deployment logs in with it"
        yield FieldError(here, "lacks the key 'approle'", expected)


def _colours(data: Data, name: str) -> Iterator[FieldError]:
    """Report colours of a service that has no AppRole, because each colour has one."""
    service = section(data, "services", name)
    if "colours" in service and "login" in service and "approle" not in section(service, "login"):
        expected = "'approle: {}' under login, as each colour logs in by an AppRole"
        yield FieldError(("services", name, "colours"), "is set without AppRole", expected)


def _login(data: Data, here: Loc, login: Data) -> Iterator[FieldError]:
    """Report the errors of *login*, a service's or a job's, at *here*."""
    for method in login:
        if method in SERVICE_METHODS and method not in {"approle", *section(data, "auth")}:
            yield FieldError((*here, method), "is set", f"nothing, as auth declares no {method}")
    jwt = section(login, "jwt")
    if jwt and "subject" not in jwt and "claims" not in jwt:
        what = "lacks the key 'subject' or 'claims'"
        expected = "one of them, as the issuer signs tokens for others too"
        yield FieldError((*here, "jwt", "subject"), what, expected, subject=(*here, "jwt"))


def _agent(data: Data, services: Mapping[str, Data | None]) -> Iterator[FieldError]:
    agent = section(data, "agent")
    method = agent.get("login", "approle")
    for key in _AGENT_FILES.get(method, ()) if isinstance(method, str) else ():
        if key not in agent:
            what = f"lacks the key {key!r}"
            yield FieldError(
                ("agent", key), what, f"a path, as agent.login is {method}", subject=("agent",)
            )
    for name in section(data, "services"):
        allowed = section(data, "services", name).get("login", {"approle": {}})
        if "config" not in (services.get(name) or {}) or not isinstance(allowed, Mapping):
            continue
        if method in SERVICE_METHODS and method not in allowed:
            what = f"is {format_value(method)}, with which services.{name} may not log in"
            yield FieldError(
                ("agent", "login"), what, join_names(allowed, nothing="a method of its login")
            )
