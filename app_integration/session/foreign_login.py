"""Logins of another environment than the one that the variables of the process name."""

from __future__ import annotations

from collections.abc import Iterable

from app_integration.names import Scope


def describe_foreign_login(scope: Scope, policies: Iterable[str]) -> str:
    """Return what differs if a login with *policies* is that of another environment, otherwise "".

    A service's policies are named ``<service>-<environment>``, followed by a colour or the like.
    """
    found = _find_foreign(scope, policies)
    if not found:
        return ""
    perhaps = service = ""
    if not is_surely_foreign(scope, found):
        perhaps, service = " (perhaps another service)", " and STRONGROOM_SERVICE to the service"
    return (
        f"this login is that of {', '.join(found)}{perhaps}, but the variables name {scope}: set "
        f"STRONGROOM_ENVIRONMENT (or ENVIRONMENT) to the environment{service} of the login, or log "
        f"in as {scope}"
    )


def is_surely_foreign(scope: Scope, policies: Iterable[str]) -> bool:
    """Return whether *policies* have that of another environment, and not perhaps of a service.

    ``web-admin-prod`` is that of ``web`` in ``admin-prod``, or of ``web-admin`` in ``prod``.
    """
    found = _find_foreign(scope, policies)
    return any("-" not in name.removeprefix(f"{scope.service}-") for name in found)


def _find_foreign(scope: Scope, policies: Iterable[str]) -> list[str]:
    ours = sorted(name for name in policies if name.startswith(f"{scope.service}-"))
    return [] if any(f"{name}-".startswith(f"{scope}-") for name in ours) else ours
