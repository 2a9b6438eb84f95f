"""Choice between a local deployment on Vault and one on AWS."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from console import operate
from console.dev_on_aws import is_dev_on_aws, put_on_aws
from console.local_ports import choose_ports
from console.runtimes import MOTO, SETTING, started_on
from vault.declare.local_file import with_local_applications
from vault.runtime.layout import Layout
from vault.runtime.servers.moto_package import require_moto

if TYPE_CHECKING:
    from console.local_aws import LocalAwsDeployment


def local_aws(root: Path, *, movable: Collection[str] = ()) -> LocalAwsDeployment | None:
    """Return the local deployment in a folder if dev is on AWS, otherwise None.

    It is if the declaration or ``SECRETS_BACKEND`` says so, or the deployment was started so.

    Args:
        root: The folder.
        movable: Names of the ports that variables may change, if their servers do not run.

    Raises:
        DeclarationError: If a file of the declaration has a fault.
        ConfigurationError: If a port is wrong, moto is not installed, the deployment was started on
            another runtime, or dev cannot be on AWS.

    """
    layout, declaration = operate.open_layout(root), operate.load_declaration()
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
    _check_not_on_vault(layout)
    require_moto()
    from console.local_aws import LocalAwsDeployment  # noqa: PLC0415 (it loads boto3)

    ports = choose_ports(layout, variables, movable)
    return LocalAwsDeployment(layout, ports, with_local_applications(declaration))


def _check_not_on_vault(layout: Layout) -> None:
    if started_on(layout) in ("", MOTO):
        return
    reason, remedy = operate.explain_dev_on_aws()
    raise ConfigurationError(
        f"the deployment in {layout.root} was started on Vault, and dev is on AWS, {reason}; name "
        f"another folder, such as --root {operate.AWS_ROOT}, erase this one with strongroom reset, "
        f"or {remedy}"
    )
