"""Base class of a local deployment's servers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from local.layout import Layout
from local.listeners import UnexpectedListener, find_listeners, is_listened_on_by
from local.ports import Ports
from local.processes.processes import ProcessManager
from local.processes.program import Running


class Server(ABC):
    """One server as a background process.

    Attributes:
        name: Name of its process, record and log.
        title: Title for people.
        port_names: Fields of Ports that it listens on; clients connect to the first.
        folder_name: Name of its folder below the deployment's; that folder's owner runs the server.

    """

    name: ClassVar[str]
    title: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    folder_name: ClassVar[str]

    def __init__(self, layout: Layout, ports: Ports, processes: ProcessManager) -> None:
        self._layout = layout
        self._processes = processes
        numbers = ports.by_name()
        self.ports = tuple(numbers[name] for name in self.port_names)

    @property
    def port(self) -> int:
        """Return the port that clients connect to."""
        return self.ports[0]

    def find(self) -> Running | None:
        """Return its process, or None if it is not running."""
        return self._processes.find(self.name)

    def is_ready(self) -> bool:
        """Return whether it is running on the configured ports, and needs no restart."""
        running = self.find()
        return running is not None and running.ports == self.ports

    def check_listener(self) -> None:
        """Check that its process, which this deployment started, listens on its port.

        Raises:
            UnexpectedListener: If another process does, or none. No credential may be sent then.

        """
        if not self.is_listening():
            raise UnexpectedListener(self.title, self.port, find_listeners(self.port))

    def is_listening(self) -> bool:
        """Return whether its process, which this deployment started, listens on its port.

        It looks at that process only, because a start calls this every 20 ms.
        """
        folder = self._layout.root / self.folder_name
        return is_listened_on_by(self.find(), self.port, folder)

    def find_problem(self) -> str | None:
        """Return why it is of no use although it is running; None if it is, or that is unknown."""
        return None

    @abstractmethod
    def start(self) -> None:
        """Start the server unless it is running, wait until it is ready, and set it up.

        Each step checks what is missing, because an earlier start may have been killed at any
        point.

        Raises:
            ConfigurationError: If its files cannot be used.
            StartFailed: If it exits, or is not ready in time.

        """

    def stop(self) -> None:
        """Stop the server, and the processes that a killed one left behind. Its data stays."""
        self._processes.stop(self.name)

    def erase(self) -> None:  # noqa: B027 - most servers have no such files
        """Remove its files outside the deployment's folder."""
