"""Variables that tell the SDK in an application which declared service it is."""

from __future__ import annotations

from typing import Final

from app_integration._internal.environment_variable import OWN, SHARED
from app_integration.names import Scope
from vault.declare.declaration import Declaration

#: The setting whose variable is ``ENVIRONMENT``.
_SETTING: Final = "environment"


def environment_variable(declaration: Declaration, service: str) -> str:
    """Return the variable that names the environment to the SDK.

    It is the one of our own if the service declares a setting ``environment``, because then
    ``ENVIRONMENT`` is the application's.
    """
    return OWN if _SETTING in declaration.service(service).settings else SHARED


def application_variables(
    declaration: Declaration, scope: Scope, environment: str | None = None
) -> dict[str, str]:
    """Return the variables of the service that are the same wherever it runs, without an address.

    Args:
        declaration: The declaration.
        scope: The service and its environment.
        environment: Another spelling of the environment, such as ``development``, or None.

    """
    return {
        "STRONGROOM_SERVICE": scope.service,
        environment_variable(declaration, scope.service): environment or scope.environment.value,
    }
