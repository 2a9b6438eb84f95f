"""Local deployment that a command starts, or looks at before it runs: on Vault or on AWS."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from console.target.checkout import DECLARATION, Checkout
from console.target.local_folder import AWS_ROOT
from console.target.target import Target
from local.aws.dev_on_aws import is_dev_on_aws, put_on_aws
from local.layout import Layout
from local.port_choice import ALL, choose_ports
from local.runtimes.runtime_choice import MOTO, SETTING, started_on
from local.servers.moto_package import require_moto
from vault.declare.local_file import with_local_applications
from vault.declare.repository import Repository, read
from vault.declare.repository_root import find_own_root

if TYPE_CHECKING:
    from local.aws.deployment import LocalAwsDeployment
    from local.deployment import LocalDeployment


def startable_deployment(target: Target) -> LocalDeployment:
    """Return the local deployment, to start it. Variables may move stopped servers."""
    local = target.local_deployment(movable=ALL)
    if local.servers.agent_host is None:
        _check_containers(target.checkout.repository)
    return local


def _check_containers(found: Repository) -> None:
    """Check that containers can start from the declaration of *found*, before anything is written.

    It must be the repository's own, and not another one that a variable names.
    """
    from local.docker.compose_file import ComposeFile  # noqa: PLC0415 (the package docker is not everywhere)

    own = find_own_root(Path.cwd())
    if own is None or read(own).declaration.resolve() != found.declaration.resolve():
        raise ConfigurationError(
            f"{DECLARATION} names {found.declaration}, but the image of the containers contains "
            f"the declaration of {own or 'a repository'}; unset the variable, or start with "
            "STRONGROOM_RUNTIME=embedded"
        )
    ComposeFile.read(own)


def local_aws(target: Target, *, movable: Collection[str] = ()) -> LocalAwsDeployment | None:
    """Return the local deployment if dev is on AWS, otherwise None.

    It is if the declaration or ``SECRETS_BACKEND`` says so, or the deployment was started so.
    Variables may change the ports in *movable*, if their servers do not run.
    """
    layout, declaration = target.layout, target.declaration
    if started_on(layout) == MOTO:
        declaration = put_on_aws(declaration, os.environ)
    if not is_dev_on_aws(declaration):
        return None
    variables = {**os.environ, SETTING: os.environ.get(SETTING) or MOTO}
    if variables[SETTING] != MOTO:
        raise ConfigurationError(
            f"{SETTING} is {variables[SETTING]!r}, but dev is on AWS, and a local deployment of it"
            f" runs on moto; unset {SETTING}"
        )
    _check_not_on_vault(layout, target.checkout)
    require_moto()
    from local.aws.deployment import LocalAwsDeployment  # noqa: PLC0415 (it loads boto3)

    ports = choose_ports(layout, variables, movable)
    return LocalAwsDeployment(layout, ports, with_local_applications(declaration))


def _check_not_on_vault(layout: Layout, checkout: Checkout) -> None:
    if started_on(layout) in ("", MOTO):
        return
    reason, remedy = checkout.explain_dev_on_aws()
    raise ConfigurationError(
        f"the deployment in {layout.root} was started on Vault, and dev is on AWS, {reason}; name "
        f"another folder, such as --root {AWS_ROOT}, erase this one with strongroom reset, "
        f"or {remedy}"
    )
