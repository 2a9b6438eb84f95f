"""Plan of an environment: built from the declaration, on the local deployment or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.session.session import Session
from console import operate
from console.aws_environment import build_aws_plan
from vault.declare.server_names import AUDITOR_JOB
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.hcl.policy_parts import part_names
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.planning.partial import PartialPlan, build_partial_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.planning.service_plan import build_service_plan
from vault.reconcile.resources import Resource
from vault.reconcile.resources.policies import Policy

if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection


def prune_options(env: str, *, prune: bool, destroy: Collection[str]) -> Prune | None:
    """Return which orphaned resources a plan deletes, or None if it deletes none.

    Args:
        env: Name of the environment.
        prune: Whether to delete orphaned resources.
        destroy: Full names of orphaned data to delete too.

    Raises:
        ConfigurationError: If *destroy* is not empty, and *prune* is False.

    """
    if destroy and not prune:
        raise ConfigurationError(
            "--destroy-data requires --prune; add it. Nothing was read or changed"
        )
    return Prune(names.parse_environment(env), destroy) if prune else None


def build_environment_plan(
    session: Session | AwsConnection,
    env: str,
    root: Path,
    given: Path | None,
    prune: Prune | None = None,
    service: str | None = None,
    *,
    may_widen: bool = False,
) -> Plan:
    """Build the plan that changes the server to match the declaration.

    Args:
        session: Session that reads the server, or connection to AWS for an environment there.
        env: Name of the environment.
        root: Folder of the local deployment.
        given: Folder of operator-provided values, or None.
        prune: Orphaned resources to delete, or None.
        service: The only service whose resources are read and changed, or None.
        may_widen: Whether apply may grant more on AWS than is granted now.

    Raises:
        StrongroomError: If the declaration has a fault, or the server cannot be read.

    """
    declaration, environment = operate.load_declaration(), names.parse_environment(env)
    if isinstance(session, Session):
        if may_widen:
            raise ConfigurationError(
                f"{env} is on Vault, and --widen is for environments on AWS; leave it out. Nothing "
                "was read or changed"
            )
        if service is None:
            return build_plan(session, _declare_resources(env, root, given), prune)
        scope = Scope(service, environment)
        declaration.deployment(scope)
        services = declaration.environment(environment).services
        return build_service_plan(session, _declare_resources(env, root, given), scope, services)
    if prune is not None or service is not None:
        raise ConfigurationError(
            f"{env} is on AWS, where nothing is pruned, and a plan is of all services; leave out"
            " --prune and --service. Nothing was read or changed"
        )
    inputs = Inputs(folder=given)
    return build_aws_plan(session, declaration, environment, inputs, may_widen=may_widen)


def build_readable_plan(session: Session, env: str, root: Path) -> PartialPlan:
    """Build the part of the plan that *session* may read. See :func:`build_environment_plan`.

    The auditor may read some of it. The local deployment's own credential may read all.
    """
    resources = _declare_resources(env, root, given=None)
    auditor = operate.load_declaration().environment(env).server_name(AUDITOR_JOB)
    if auditor not in session.get("auth/token/lookup-self")["data"]["policies"]:
        return build_partial_plan(session, resources)
    found = (each for each in resources if each.kind == Policy.kind)
    policies = {each.name: str(each.desired()["policy"]) for each in found}
    policy = "\n".join(policies[part] for part in part_names(auditor, policies))
    return build_partial_plan(session, resources, policy)


def _declare_resources(env: str, root: Path, given: Path | None) -> list[Resource]:
    environment = names.parse_environment(env)
    if operate.is_local(environment, root):
        here = operate.local_deployment(root)
        declared = here.declaration
        inputs = Inputs(here.inputs().values, given or here.layout.given)
    else:
        declared, inputs = operate.load_declaration(), Inputs(folder=given)
    from policies.render import render_policies  # noqa: PLC0415 (an environment on AWS has none)

    policies = render_policies(declared, environment)
    return desired_resources(declared, environment, policies, inputs)


def apply_declaration(
    session: Session,
    env: str,
    root: Path,
    report: Callable[[str], None],
    given: Path | None = None,
) -> int:
    """Load the declaration again and apply it; return the number of changes.

    Args:
        session: Session that changes the server.
        env: Name of the environment.
        root: Folder of the local deployment.
        report: Receives a line for each change.
        given: Folder of operator-provided values, or None.

    """
    plan = build_environment_plan(session, env, root, given)
    apply(session, plan, lambda change: report(f"applied: {change}"))
    return len(plan.changes)
