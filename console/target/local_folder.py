"""Folder of the local deployment, without the declaration: its paths, address and servers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app_integration.names import BACKEND_VARIABLE
from local import folder_format
from local.layout import DEPLOYMENT, Layout
from local.port_choice import choose_ports, remembered_ports
from local.ports import Ports
from local.runtimes.runtime_choice import select_runtime
from local.status_record import StatusRecord
from vault.declare.repository_root import find_own_root
from vault.owned_folder import check

if TYPE_CHECKING:
    from local.started_deployment import StartedDeployment

#: Folder of the local deployment, if no other is named.
DEFAULT_ROOT: Final = Path(".strongroom")
#: Folder that make uses in its place with ``SECRETS_BACKEND=aws``.
AWS_ROOT: Final = ".strongroom-aws"


def local_root(root: Path = DEFAULT_ROOT) -> Path:
    """Return the folder of the local deployment.

    Args:
        root: The folder, or the default one, which is in the repository. Outside a repository it is
            in the working directory.

    """
    if root != DEFAULT_ROOT:
        return root
    return (find_own_root(Path.cwd()) or Path()) / DEFAULT_ROOT


def make_root() -> Path:
    """Return the folder of the local deployment that make starts under this shell's variables."""
    root = local_root()
    return root.with_name(AWS_ROOT) if os.environ.get(BACKEND_VARIABLE) == "aws" else root


def open_layout(root: Path) -> Layout:
    """Return the paths of the local deployment in a folder, once its format was checked.

    Raises:
        UnreadableFormat: If another version of the tool made the deployment. Nothing was changed.
        ConfigurationError: If the folder is one of something else, or a symlink.

    """
    # Each path of the folder is the same deployment. A link in its place stays one, and is refused.
    layout = Layout(check(root, DEPLOYMENT))
    folder_format.check(layout)
    return layout


def local_address(root: Path) -> str:
    """Return the URL of the secrets server of the local deployment in *root*.

    Raises:
        ConfigurationError: If a variable of a port is wrong.

    """
    return choose_ports(open_layout(root), os.environ).vault_address


def stoppable_servers(root: Path) -> StartedDeployment:
    """Return the servers of the local deployment in a folder, to stop or to erase them.

    Neither a variable of a port nor the declaration is read, so that a shell with the ports of the
    next start can stop them, and a fault in the declaration keeps nothing running.

    Raises:
        ConfigurationError: If the runtime is wrong.

    """
    layout = open_layout(root)
    return _servers(layout, remembered_ports(layout), StatusRecord())


def started_servers(root: Path) -> StartedDeployment | None:
    """Return what the last ``up`` started, to look at it; None if its folder does not show that.

    Raises:
        ConfigurationError: If a port or the runtime is wrong, or a variable names another port than
            the one that a server is running on.

    """
    layout = open_layout(root)
    record = StatusRecord.read(layout)
    return None if record is None else _servers(layout, choose_ports(layout, os.environ), record)


def _servers(layout: Layout, ports: Ports, record: StatusRecord) -> StartedDeployment:
    from local.started_deployment import StartedDeployment  # noqa: PLC0415 (few commands need servers)

    runtime = select_runtime(layout, os.environ, find_own_root(Path.cwd()))
    return StartedDeployment(layout, runtime(layout, ports, ()), record)
