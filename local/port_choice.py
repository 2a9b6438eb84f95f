"""Ports of the local deployment in a folder: those that it was started on, else the variables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from local import port_file
from local.layout import Layout
from local.ports import Ports, read_settings
from local.runtimes.runtime_choice import select_runtime

#: Every port, for the command that starts a deployment.
ALL: tuple[str, ...] = tuple(Ports().by_name())


def choose_ports(
    layout: Layout, variables: Mapping[str, str], movable: Collection[str] = ()
) -> Ports:
    """Return the ports of the deployment in *layout*.

    *variables* may change the ports in *movable* whose servers do not run, and all of a deployment
    that was never started.
    """
    requested, stored = read_settings(variables), port_file.read(layout)
    if stored is not None and requested.items() <= stored.by_name().items():
        return stored
    running = select_runtime(layout, variables).running_ports(layout)
    if stored is not None:
        return port_file.choose(layout.root, stored.by_name(), requested, running, movable)
    # A deployment whose ports are not stored may be running: plain docker compose starts one.
    known = {**Ports().by_name(), **running}
    return port_file.choose(layout.root, known, requested, running, ALL)


def remembered_ports(layout: Layout) -> Ports:
    """Return the ports that the deployment was started on, whatever the variables say."""
    return port_file.read(layout) or Ports()
