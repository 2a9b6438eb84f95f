"""Files of a deployment's services below its folder: their variables, and what is not declared."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from console.service_deployment import ServiceDeployment
from vault.runtime.layout import Layout
from vault.runtime.servers.accounts import MONITORING_ACCOUNT


def write_variables(
    layout: Layout,
    services: Mapping[str, ServiceDeployment],
    selected: Iterable[ServiceDeployment],
) -> None:
    """Write the variables of the *selected* services, and those of the first to ``dev.env``.

    Args:
        layout: Layout of the deployment.
        services: All services by name, in the order of the environment's file.
        selected: Services that have a credential and an agent.

    """
    for each in selected:
        each.write_variables(layout.service_env(each.scope.service))
    for name, each in services.items():
        if layout.service_env(name).exists():
            each.write_variables(layout.dev_env)
            return
    layout.dev_env.unlink(missing_ok=True)


def remove_undeclared(layout: Layout, services: Mapping[str, ServiceDeployment]) -> None:
    """Remove the files of services, agents and accounts that are no longer declared.

    Alertmanager's account at the mail server stays, because no declaration has it.

    Args:
        layout: Layout of the deployment.
        services: The declared services by name.

    """
    delivered = [each for each in services.values() if each.agent is not None]
    _keep_only(layout.agents.glob("*/"), {str(each.scope) for each in delivered})
    _keep_only(layout.configs.glob("*/"), {each.scope.service for each in delivered})
    roles = {role for each in services.values() for role in each.roles}
    _keep_only(layout.service_credentials.glob("*/"), roles)
    _keep_only(layout.mail_accounts.iterdir(), {*services, MONITORING_ACCOUNT})
    _keep_only(layout.environments.iterdir(), {f"{name}.env" for name in services})


def _keep_only(paths: Iterable[Path], names: Collection[str]) -> None:
    """Remove those of *paths* whose name is not among *names*."""
    for path in paths:
        if path.name not in names:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
