"""What the servers of a local deployment have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from vault.runtime.layout import Layout
from vault.runtime.ports import Ports
from vault.runtime.processes.processes import Processes
from vault.runtime.processes.program import Running


class Server(ABC):
    """One server, as a background process."""

    name: ClassVar[str]  # of its process, record and log
    title: ClassVar[str]  # for people
    port_names: ClassVar[tuple[str, ...]]  # fields of Ports; the first is where clients connect

    def __init__(self, layout: Layout, ports: Ports, processes: Processes) -> None:
        self._layout = layout
        self._processes = processes
        numbers = ports.named()
        self.ports = tuple(numbers[name] for name in self.port_names)

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.ports[0]

    def find(self) -> Running | None:
        """Its process, if it runs."""
        return self._processes.find(self.name)

    def ready(self) -> bool:
        """Whether it runs, on the ports that are set now, and may stay as it is."""
        running = self.find()
        return running is not None and running.ports == self.ports

    @abstractmethod
    def start(self) -> None:
        """Start it unless it runs, wait until it serves, and see that it is set up.

        Each step is done again until it holds: an earlier start may have been killed anywhere.

        Raises:
            ConfigurationError: its files can't be used.
            StartFailed: it ended, or wasn't ready in time.

        """

    def stop(self) -> None:
        """Stop it, and what a killed one left running; its data stays."""
        self._processes.stop(self.name)

    def erase(self) -> None:  # noqa: B027 - most servers have nothing there
        """Remove what it keeps outside the deployment's folder."""
