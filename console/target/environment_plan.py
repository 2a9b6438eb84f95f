"""Plan of an environment: built from the declaration, on the local deployment or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.session.session import Session
from aws.environment import build_aws_plan, open_connection
from console.target.sessions import open_explained_session
from console.target.target import Target
from vault.declare.server_names import AUDITOR_JOB
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.hcl.policy_parts import part_names
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.planning.partial_plan import PartialPlan, build_partial_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.planning.service_plan import build_service_plan
from vault.reconcile.resources import Resource
from vault.reconcile.resources.policies import Policy

if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """Part of the declaration that is compared with the server, and what may be changed.

    With *may_widen*, apply may grant more on AWS than is granted now.
    """

    given: Path | None = None
    prune: Prune | None = None
    service: str | None = None
    may_widen: bool = False


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """A plan, with what it was read by; *vault* is None on AWS."""

    plan: Plan
    session: Session | AwsConnection
    vault: Session | None = None


def prune_options(
    environment: Environment, *, prune: bool, destroy: Collection[str]
) -> Prune | None:
    """Return which orphaned resources a plan deletes, or None if it deletes none."""
    if destroy and not prune:
        raise ConfigurationError(
            "--destroy-data requires --prune; add it. Nothing was read or changed"
        )
    return Prune(environment, destroy) if prune else None


@contextmanager
def open_plan(target: Target, role: str, options: PlanOptions) -> Iterator[OpenPlan]:
    """Yield the plan that changes the server to match the declaration.

    On AWS the identity is the one that boto3 finds. Elsewhere, see
    :func:`.sessions.open_operator_session`.
    """
    if target.is_on_aws:
        with closing(open_connection(target.declaration, target.environment)) as connection:
            yield OpenPlan(_build_on_aws(target, connection, options), connection)
        return
    with open_explained_session(target, role) as session:
        yield OpenPlan(build_vault_plan(target, session, options), session, session)


def build_vault_plan(target: Target, session: Session, options: PlanOptions) -> Plan:
    """Build the plan of an environment on Vault. See :func:`open_plan`."""
    if options.may_widen:
        raise ConfigurationError(
            f"{target.environment} is on Vault, and --widen is for environments on AWS; leave it "
            "out. Nothing was read or changed"
        )
    if options.service is None:
        return build_plan(session, _declare_resources(target, options.given), options.prune)
    scope, services = target.scope(options.service), target.declared.services
    target.declaration.deployment(scope)
    resources = _declare_resources(target, options.given)
    return build_service_plan(session, resources, scope, services)


def _build_on_aws(target: Target, connection: AwsConnection, options: PlanOptions) -> Plan:
    if options.prune is not None or options.service is not None:
        raise ConfigurationError(
            f"{target.environment} is on AWS, where nothing is pruned, and a plan is of all "
            "services; leave out --prune and --service. Nothing was read or changed"
        )
    inputs = Inputs(folder=options.given)
    where = (target.declaration, target.environment)
    return build_aws_plan(connection, *where, inputs, may_widen=options.may_widen)


def build_readable_plan(target: Target, session: Session) -> PartialPlan:
    """Build the part of the plan that *session* may read. See :func:`open_plan`.

    The auditor may read some of it. The local deployment's own credential may read all.
    """
    resources = _declare_resources(target, given=None)
    auditor = target.declared.server_name(AUDITOR_JOB)
    if auditor not in session.get("auth/token/lookup-self")["data"]["policies"]:
        return build_partial_plan(session, resources)
    found = (each for each in resources if each.kind == Policy.kind)
    policies = {each.name: str(each.desired()["policy"]) for each in found}
    policy = "\n".join(policies[part] for part in part_names(auditor, policies))
    return build_partial_plan(session, resources, policy)


def _declare_resources(target: Target, given: Path | None) -> list[Resource]:
    if target.is_local:
        here = target.local_deployment()
        declared = here.declaration
        inputs = Inputs(here.inputs().values, given or here.layout.given)
    else:
        declared, inputs = target.declaration, Inputs(folder=given)
    from policies.render import render_policies  # noqa: PLC0415 (an environment on AWS has none)

    policies = render_policies(declared, target.environment)
    return desired_resources(declared, target.environment, policies, inputs)


def apply_changed_declaration(
    target: Target, session: Session, report: Callable[[str], None], given: Path | None = None
) -> int:
    """Load the declaration again and apply it; return the number of changes."""
    plan = build_vault_plan(target.reread(), session, PlanOptions(given))
    apply(session, plan, lambda change: report(f"applied: {change}"))
    return len(plan.changes)
