"""Logins of another environment than the one that the variables of the process name."""

from __future__ import annotations

from collections.abc import Iterable

from app_integration.names import Scope


def describe_foreign_login(scope: Scope, policies: Iterable[str]) -> str:
    """Return what differs if a login with *policies* is that of another environment, otherwise "".

    A service's policies are named ``<service>-<environment>``, followed by a colour or the like.
    """
    ours = [name for name in policies if name.startswith(f"{scope.service}-")]
    if not ours or any(f"{name}-".startswith(f"{scope}-") for name in ours):
        return ""
    return (
        f"this login is that of {', '.join(sorted(ours))}, but the variables name {scope}: set "
        f"STRONGROOM_ENVIRONMENT (or ENVIRONMENT) to the environment of the login, or log in as "
        f"{scope}"
    )
