"""Policies of the services as the server has them, comparable between environments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from app_integration.names import Environment
from app_integration.session.session import Session
from console.page.sources.read_threads import read_all
from vault.declare.declaration import Declaration
from vault.reconcile.environment_diff import read_policies
from vault.reconcile.hcl.policy_rules import PolicyRules

#: Service → name of a policy, with ``ENV`` for the environment → its rules. They are None for one
#: that does not exist or cannot be parsed.
ServicePolicies = Mapping[str, Mapping[str, PolicyRules | None]]


def read_service_policies(
    session: Session, declaration: Declaration, environment: Environment
) -> ServicePolicies:
    """Return the policies of the services of an environment."""
    scopes = declaration.scopes(environment)
    found = read_all(partial(read_policies, session, declaration), scopes)
    return {scope.service: each for scope, each in zip(scopes, found, strict=True)}
