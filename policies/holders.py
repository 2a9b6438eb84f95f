"""Holders of policies: the roles, logins and groups whose tokens have them."""

from __future__ import annotations

from dataclasses import dataclass

from app_integration.names import Environment
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs


@dataclass(frozen=True, slots=True)
class Holder:
    """A role, a login or a group of people, by the kind that ``plan`` shows."""

    kind: str
    name: str
    policies: frozenset[str]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def find_holders(declaration: Declaration, environment: Environment) -> list[Holder]:
    """Return what the declaration of *environment* gives policies to."""
    policies = render_policies(declaration, environment)
    resources = desired_resources(declaration, environment, policies, Inputs())
    found = [(each, each.desired()) for each in resources]
    return [
        Holder(each.kind, each.name, frozenset(names))
        for each, fields in found
        if (names := fields.get("token_policies") or fields.get("policies"))
    ]
