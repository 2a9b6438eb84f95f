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
    """Return the folder of the local deployment, by default the one in the repository."""
    if root != DEFAULT_ROOT:
        return root
    return (find_own_root(Path.cwd()) or Path()) / DEFAULT_ROOT


def make_root() -> Path:
    """Return the folder of the local deployment that make starts under this shell's variables."""
    root = local_root()
    return root.with_name(AWS_ROOT) if os.environ.get(BACKEND_VARIABLE) == "aws" else root


def open_layout(root: Path) -> Layout:
    """Return the paths of the local deployment in a folder, once its format was checked."""
    # Each path of the folder is the same deployment. A link in its place stays one, and is refused.
    layout = Layout(check(root, DEPLOYMENT))
    folder_format.check(layout)
    return layout


def local_address(root: Path) -> str:
    """Return the URL of the secrets server of the local deployment in *root*."""
    return choose_ports(open_layout(root), os.environ).vault_address


def stoppable_servers(root: Path) -> StartedDeployment:
    """Return the servers of the local deployment in a folder, to stop or to erase them.

    Neither a variable of a port nor the declaration is read, so that a fault in them keeps nothing
    running.
    """
    layout = open_layout(root)
    return _servers(layout, remembered_ports(layout), StatusRecord())


def started_servers(root: Path) -> StartedDeployment | None:
    """Return what the last ``up`` started, to look at it; None if its folder does not show that."""
    layout = open_layout(root)
    record = StatusRecord.read(layout)
    return None if record is None else _servers(layout, choose_ports(layout, os.environ), record)


def _servers(layout: Layout, ports: Ports, record: StatusRecord) -> StartedDeployment:
    from local.started_deployment import StartedDeployment  # noqa: PLC0415 (few commands need servers)

    runtime = select_runtime(layout, os.environ, find_own_root(Path.cwd()))
    return StartedDeployment(layout, runtime(layout, ports, ()), record)
