"""Logins that a declaration requires: auth methods, roles of services, groups of people.

Each method is mounted at the name of its type. A service's role has the service's name.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

from app_integration.names import DEFAULT_ROLE, Environment, Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.logins import OidcMethod, ServiceLogin
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import JOBS
from vault.reconcile.hcl.policy_parts import part_names
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource
from vault.reconcile.resources.certificates import CertRole
from vault.reconcile.resources.groups import Group
from vault.reconcile.resources.jwt import JwtConfig, JwtRole, OidcConfig, OidcRole
from vault.reconcile.resources.kubernetes import KubernetesConfig, KubernetesRole
from vault.reconcile.resources.mounts import Mount
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.tokens import TokenRules

_DESCRIPTIONS: Final = {
    "jwt": "services and jobs, by signed token",
    "kubernetes": "services, by a pod's token",
    "cert": "services, by TLS certificate",
    "oidc": "people, at the provider",
}


def auth_methods(
    declaration: Declaration, environment: Environment, inputs: Inputs, people: TokenRules
) -> Iterator[Resource]:
    """Yield the auth methods of *environment*, their configuration, and the groups of people."""
    declared = declaration.environment(environment)
    auth, owner = declared.auth, Owner.of(declared)
    for method, description in _DESCRIPTIONS.items():
        if getattr(auth, method) is not None:
            yield Mount("auth", method, method, description, deployment=declared.deployment)
    if auth.jwt is not None:
        keys = tuple(declaration.pems[name] for name in auth.jwt.keys or ())
        ca = declaration.pems[auth.jwt.ca] if auth.jwt.ca else ""
        yield JwtConfig("jwt", auth.jwt.issuer, keys, auth.jwt.jwks or "", ca)
    if auth.kubernetes is not None:
        entry = owner.entry(KubernetesConfig.kind, "kubernetes")
        ca = declaration.pems[auth.kubernetes.ca]
        yield KubernetesConfig("kubernetes", auth.kubernetes.host, ca, inputs, entry)
    if auth.oidc is not None:
        entry = owner.entry(OidcConfig.kind, "oidc")
        ca = declaration.pems[auth.oidc.ca] if auth.oidc.ca else ""
        yield OidcConfig(
            "oidc",
            auth.oidc.discovery,
            ca,
            auth.oidc.client_id,
            DEFAULT_ROLE,
            inputs,
            entry,
        )
        yield from _oidc_roles(auth.oidc, people)
    for name, group in sorted(declared.groups.items()):
        yield Group(name, group.policies, "oidc", group.claim, declared.deployment)


def job_roles(
    declared: EnvironmentDeclaration, policies: Container[str], ttl: int
) -> Iterator[Resource]:
    """Yield the roles that the deployment's jobs log in with, other than their AppRoles."""
    for job in JOBS:
        login = getattr(declared.jobs, job.rpartition("-")[2])
        if login is not None:
            name, jwt = declared.server_name(job), login.jwt
            tokens = TokenRules(part_names(name, policies), ttl=ttl, max_ttl=ttl)
            yield JwtRole(name, "jwt", jwt.audience, jwt.subject or "", jwt.claims, tokens)


def _oidc_roles(oidc: OidcMethod, people: TokenRules) -> Iterator[Resource]:
    for name, role in sorted(oidc.roles.items()):
        yield OidcRole(
            name=name,
            mount="oidc",
            redirect_uris=role.redirect_uris,
            user_claim=oidc.user_claim,
            groups_claim=oidc.groups_claim,
            scopes=oidc.scopes or (),
            claims=role.claims,
            tokens=people,
        )


def service_roles(declaration: Declaration, scope: Scope) -> Iterator[Resource]:
    """Yield the roles that a service logs in with, other than its AppRole."""
    login: ServiceLogin = declaration.deployment(scope).login
    declared = declaration.environment(scope.environment)
    name, tokens = str(scope), TokenRules((str(scope),), period=declared.tokens.period)
    if login.jwt is not None:
        jwt = login.jwt
        yield JwtRole(name, "jwt", jwt.audience, jwt.subject or "", jwt.claims, tokens)
    if login.kubernetes is not None:
        pod = login.kubernetes
        yield KubernetesRole(
            name, "kubernetes", pod.namespaces, pod.service_accounts, pod.audience or "", tokens
        )
    if login.cert is not None and declared.auth.cert is not None:
        ca = declaration.pems[declared.auth.cert.ca]
        yield CertRole(name, "cert", ca, login.cert.names, tokens)
