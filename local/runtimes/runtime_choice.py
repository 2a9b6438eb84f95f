"""Choice of a deployment's runtime: embedded, docker, or moto for dev on AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from app_integration.errors import ConfigurationError
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import Runtime

if TYPE_CHECKING:
    from local.access import Access

SETTING: Final = "STRONGROOM_RUNTIME"
DEFAULT: Final = "embedded"
#: The runtime of a deployment on AWS.
MOTO: Final = "moto"


class RuntimeFactory(Protocol):
    """Class of a runtime."""

    def __call__(self, layout: Layout, ports: Ports, services: Sequence[Access], /) -> Runtime:
        """Return the runtime of the deployment in *layout*."""
        ...

    def running_ports(self, layout: Layout, /) -> Mapping[str, int]:
        """Return the ports of the running servers of the deployment in *layout*, by name."""
        ...


def started_on(layout: Layout) -> str:
    """Return the name of the runtime that a deployment was started on; empty if it never was."""
    path = layout.runtime
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def select_runtime(
    layout: Layout, variables: Mapping[str, str], repository: Path | None = None
) -> RuntimeFactory:
    """Return the runtime of a deployment.

    It is the one that ``STRONGROOM_RUNTIME`` names, else the one that the deployment was started
    on, else ``embedded``. *repository* has the ``docker-compose.yml``; if it is None, the folder
    above the deployment's does.
    """
    started = started_on(layout)
    requested = variables.get(SETTING) or started or DEFAULT
    if requested not in RUNTIMES:
        raise ConfigurationError(
            f"{SETTING} is {requested!r}; expected one of {', '.join(sorted(RUNTIMES))}"
        )
    if started not in ("", requested):
        raise ConfigurationError(
            f"the deployment in {layout.root} was started with {SETTING}={started}; erase it "
            f"before starting another with {SETTING}={requested}: strongroom reset"
        )
    return RUNTIMES[requested](repository)


def _moto(_repository: Path | None) -> RuntimeFactory:
    from local.runtimes.moto_runtime import MotoRuntime  # noqa: PLC0415 (as below)

    return MotoRuntime


def _embedded(_repository: Path | None) -> RuntimeFactory:
    from local.runtimes.embedded_runtime import EmbeddedRuntime  # noqa: PLC0415 (containers need none of it)

    return EmbeddedRuntime


@dataclass(frozen=True, slots=True)
class ContainersOf:
    """Container runtimes of the ``docker-compose.yml`` in *repository*."""

    repository: Path | None

    def __call__(self, layout: Layout, ports: Ports, services: Sequence[Access], /) -> Runtime:
        """Return the runtime of the deployment in *layout*."""
        from local.runtimes.container_runtime import ContainerRuntime  # noqa: PLC0415 (the package docker is not everywhere)

        return ContainerRuntime(layout, ports, services, self.repository)

    def running_ports(self, layout: Layout, /) -> Mapping[str, int]:
        """Return the ports of the running containers of the deployment in *layout*, by name."""
        from local.runtimes.container_runtime import ContainerRuntime  # noqa: PLC0415 (as above)

        return ContainerRuntime.running_ports(layout)


RUNTIMES: Final[dict[str, Callable[[Path | None], RuntimeFactory]]] = {
    "embedded": _embedded,
    "docker": ContainersOf,
    MOTO: _moto,
}
