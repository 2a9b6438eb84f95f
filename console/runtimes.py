"""Which runtime a deployment is on: the one it was started on, or the one that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.wiring import load
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports
from vault.runtime.runtime import Runtime

SETTING: Final = "STRONGROOM_RUNTIME"
DEFAULT: Final = "embedded"
#: Loaded on first use: who needs no containers needs no package docker either.
RUNTIMES: Final = {
    "embedded": "vault.runtime.embedded:Embedded",
    "docker": "vault.runtime.container:Containers",
}


def chosen(
    layout: Layout, variables: Mapping[str, str]
) -> Callable[[Layout, Ports, Scope], Runtime]:
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
    runtime: Callable[[Layout, Ports, Scope], Runtime] = load(RUNTIMES[asked])
    return runtime
