"""Example services, run on the local deployment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from app_integration.errors import ConfigurationError
from local.services.foreground import ForegroundProgram, run_together

if TYPE_CHECKING:
    from local.aws.deployment import LocalAwsDeployment
    from local.deployment import LocalDeployment

#: Service → its module.
MODULES: Final = {"gaara-store": "examples.gaara_store", "orders-mail": "examples.orders_mail"}
#: Variables of the shell that a Python process needs.
_FROM_SHELL: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


def run_examples(local: LocalDeployment | LocalAwsDeployment, server: str) -> int:
    """Run the example services that were started, until one exits or the user interrupts them.

    A service that a narrowed ``up`` left out has no credential and no config, and is not run.
    """
    common = {name: os.environ[name] for name in _FROM_SHELL if name in os.environ}
    common["STRONGROOM_STORE_PORT"] = str(local.ports.store)
    programs = [
        ForegroundProgram(
            (sys.executable, "-m", module), {**common, **local.services[service].variables()}
        )
        for service, module in MODULES.items()
        if local.layout.service_env(service).exists()
    ]
    if not programs:
        raise ConfigurationError(
            f"no example service was started; declare one of {', '.join(MODULES)} in dev, and run "
            "make vault-up"
        )
    local.check_listeners(server, "database", "redis", "smtp")
    return run_together(programs)
