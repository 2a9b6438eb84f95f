"""Files of a deployment's services below its folder: their variables, and what is not declared."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration._internal.private_file import write_private
from local.layout import Layout
from local.servers.accounts import MONITORING_ACCOUNT
from vault.owned_folder import remove_tree

if TYPE_CHECKING:
    from local.services.service_deployment import ServiceDeployment


def write_variables(
    layout: Layout, variables: Mapping[str, Mapping[str, str]], selected: Iterable[str]
) -> None:
    """Write the variables of the *selected* services, and those of the first to ``dev.env``.

    *variables* are in the order of the environment's file, which decides that.
    """
    for name in selected:
        _write_file(layout.service_env(name), name, variables[name])
    for name, each in variables.items():
        if layout.service_env(name).exists():
            _write_file(layout.dev_env, name, each)
            return
    layout.dev_env.unlink(missing_ok=True)


def read_variables(file: Path) -> dict[str, str]:
    """Return the variables in *file*, which :func:`write_variables` wrote."""
    entries = shlex.split(file.read_text(encoding="utf-8"), comments=True)
    return dict(entry.split("=", 1) for entry in entries)


def remove_undeclared(layout: Layout, services: Mapping[str, ServiceDeployment]) -> None:
    """Remove the files of services, agents and accounts that are no longer declared.

    Alertmanager's account at the mail server stays, because no declaration has it.
    """
    delivered = [each for each in services.values() if each.agent is not None]
    _keep_only(layout.agents.glob("*/"), {str(each.scope) for each in delivered})
    _keep_only(layout.configs.glob("*/"), {each.scope.service for each in delivered})
    roles = {role for each in services.values() for role in each.roles}
    _keep_only(layout.service_credentials.glob("*/"), roles)
    _keep_only(layout.mail_accounts.iterdir(), {*services, MONITORING_ACCOUNT})
    _keep_only(layout.environments.iterdir(), {f"{name}.env" for name in services})


def _write_file(file: Path, service: str, variables: Mapping[str, str]) -> None:
    """Write the *variables* of a service to *file*, for a shell."""
    lines = (f"{name}={shlex.quote(value)}" for name, value in variables.items())
    header = f"# Variables of {service}; no secret value. set -a; . {file.name}"
    write_private(file, "\n".join([header, *lines, ""]))


def _keep_only(paths: Iterable[Path], names: Collection[str]) -> None:
    """Remove those of *paths* whose name is not among *names*."""
    for path in paths:
        if path.name not in names:
            remove_tree(path) if path.is_dir() else path.unlink()
