"""Check of the secrets that are required at start-up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from app_integration import permissions
from app_integration.errors import AccessDenied, SecretNotFound, SecretsMissing
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope


def check_required(
    wanted: Iterable[str],
    get: Callable[[str], object],
    scope: Scope | None,
    mounts: Mounts = DEFAULT_MOUNTS,
) -> None:
    """Check that all secrets in *wanted* can be read.

    Args:
        wanted: Their names.
        get: Gets one secret. Its errors are raised at once, except those of a secret without a
            value or denied.
        scope: The service and the environment, for policy rules; None leaves the rules out.
        mounts: Mounts of the deployment, for policy rules.

    Raises:
        SecretsMissing: If some have no value or are denied. It lists each of them.

    """
    missing, denied = [], []
    for name in wanted:
        try:
            get(name)
        except SecretNotFound:
            missing.append(name)
        except AccessDenied:
            denied.append(name)
    if missing or denied:
        raise _missing_secrets_error(missing, denied, scope, mounts)


def _missing_secrets_error(
    missing: Sequence[str], denied: Sequence[str], scope: Scope | None, mounts: Mounts
) -> SecretsMissing:
    """Return one error with a line for each secret that cannot be read.

    Args:
        missing: Names without a value.
        denied: Names that are denied or absent. Their lines give the policy rule that grants them.
        scope: The service and the environment, for the rule; None leaves the rule out.
        mounts: Mounts of the deployment, for the rule.

    """
    lines = [f"{name}: has no value; write one" for name in missing]
    for name in denied:
        hint = f"; write one, or if it is there add {_rule(name, scope, mounts)}" if scope else ""
        lines.append(f"{name}: denied or absent{hint}")
    return SecretsMissing(
        "\n  ".join([f"{len(lines)} required secrets cannot be read:", *lines]),
        missing=tuple(missing),
        denied=tuple(denied),
    )


def _rule(name: str, scope: Scope, mounts: Mounts) -> str:
    return permissions.need("read-secret", scope.secret(name), mounts).policy_rule()
