"""Name of the environment, from the variable of our own or the one that applications have too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app_integration import names
from app_integration._internal.variables import require_variable
from app_integration.errors import ConfigurationError
from app_integration.names import Environment

#: The variable of our own, for an application that gives ``ENVIRONMENT`` a meaning of its own.
OWN: Final = "STRONGROOM_ENVIRONMENT"
SHARED: Final = "ENVIRONMENT"
#: Words of ``ENVIRONMENT`` beside which the other variable may not name dev.
_STRICT: Final = frozenset(
    {"staging", "stage", "stg", "prod", "production", "prd", "preprod", "live"}
)


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Return the environment that the variables name; ``STRONGROOM_ENVIRONMENT`` wins.

    It must not name dev where ``ENVIRONMENT`` names staging or production.
    """
    own, shared = variables.get(OWN), variables.get(SHARED, "")
    if not own:
        return names.parse_environment(require_variable(variables, SHARED))
    environment = names.parse_environment(own)
    if environment.is_dev and not _STRICT.isdisjoint(re.split("[^a-z]+", shared.lower())):
        raise ConfigurationError(
            f"{OWN} is {own!r}, but {SHARED} is {shared!r}, where nothing may be lenient; unset "
            f"{OWN} there, or correct {SHARED} on a developer's machine"
        )
    return environment


def environment_variables(environment: str) -> dict[str, str]:
    """Return both variables, for a command that takes the *environment* as an option."""
    return {OWN: environment, SHARED: environment}
