"""Environment variables that have secrets as their values."""

from __future__ import annotations

from collections.abc import Collection

from app_integration.errors import ConfigurationError
from app_integration.names import variable_name
from app_integration.secret_store.declared_names import check_declared, read_declared
from app_integration.settings import Settings


def name_variables(settings: Settings, wanted: Collection[str]) -> dict[str, str]:
    """Return secret → variable, for the *wanted* secrets or else all declared ones.

    Args:
        settings: Settings of the service.
        wanted: Names of secrets; empty for all that ``STRONGROOM_DECLARATION`` lists.

    Raises:
        ConfigurationError: If a name is invalid or not declared, if two have the same variable, or
            if there is no name.

    """
    declared = read_declared(settings.declaration, settings.scope)
    if declared is not None:
        wanted = wanted or sorted(declared)
        for name in wanted:
            check_declared(name, declared)
    if not wanted:
        raise ConfigurationError(
            "no secret is named: pass --name, or set STRONGROOM_DECLARATION to a list of names; for"
            f" all that are declared, use strongroom run --service {settings.scope.service} in the"
            " deployment's repository"
        )
    names = {name: variable_name(name) for name in wanted}
    if len({*names.values()}) < len(names):
        raise ConfigurationError(f"two of {', '.join(names)} have the same variable; leave one out")
    return names
