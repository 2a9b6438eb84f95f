"""Policies of the services as the server has them, comparable between environments."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from app_integration.names import Environment
from app_integration.session.session import Session
from vault.declare.declaration import Declaration
from vault.reconcile.environment_diff import read_policies
from vault.reconcile.hcl.policy_rules import PolicyRules

#: Requests at a time; less than the connections that a session keeps open.
_WORKERS: Final = 8
#: Service → name of a policy, with ``ENV`` for the environment → its rules. They are None for one
#: that does not exist or cannot be parsed.
ServicePolicies = Mapping[str, Mapping[str, PolicyRules | None]]


def read_service_policies(
    session: Session, declaration: Declaration, environment: Environment
) -> ServicePolicies:
    """Return the policies of the services of an environment.

    Args:
        session: Session of the auditor.
        declaration: The declaration.
        environment: The environment.

    Raises:
        AccessDenied: If the credential may not read policies.
        ServerError: If the server is unreachable or sealed.

    """
    scopes = declaration.scopes(environment)
    with ThreadPoolExecutor(_WORKERS, "policies") as pool:
        found = pool.map(partial(read_policies, session, declaration), scopes)
        return {scope.service: each for scope, each in zip(scopes, found, strict=True)}
