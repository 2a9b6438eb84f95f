"""Which runtime a deployment is on: the one it was started on, or the one that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports
from vault.runtime.runtime import Runtime

SETTING: Final = "STRONGROOM_RUNTIME"
DEFAULT: Final = "embedded"
_Make = Callable[[Layout, Ports, Scope], Runtime]


def chosen(layout: Layout, variables: Mapping[str, str]) -> _Make:
    """The runtime of the deployment in *layout*, as *variables* ask for it or as it was started.

    Raises:
        ConfigurationError: there is no such runtime, or the deployment is on another one.

    """
    path = layout.runtime
    started = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    asked = variables.get(SETTING) or started or DEFAULT
    if asked not in RUNTIMES:
        raise ConfigurationError(
            f"{SETTING} is {asked!r}; expected one of {', '.join(sorted(RUNTIMES))}"
        )
    if started not in ("", asked):
        raise ConfigurationError(
            f"the deployment in {layout.root} was started with RUNTIME={started}; erase it before "
            f"starting another with RUNTIME={asked}: make vault-reset"
        )
    return RUNTIMES[asked]()


def _embedded() -> _Make:
    from vault.runtime.embedded import Embedded  # noqa: PLC0415 (containers need none of it)

    return Embedded


def _docker() -> _Make:
    from vault.runtime.docker.containers import Containers  # noqa: PLC0415 (the package docker is not everywhere)

    return Containers


RUNTIMES: Final[dict[str, Callable[[], _Make]]] = {"embedded": _embedded, "docker": _docker}
