"""Error for secrets that are required at start-up and cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

from app_integration import permissions
from app_integration.errors import SecretsMissing
from app_integration.names import Scope


def missing_secrets_error(
    missing: Sequence[str], denied: Sequence[str], scope: Scope | None
) -> SecretsMissing:
    """Return one error with a line for each secret that cannot be read.

    Args:
        missing: names without a value.
        denied: names that are denied or absent. Their lines give the policy rule that grants them.
        scope: the service and the environment, for the rule; None leaves the rule out.

    """
    lines = [f"{name}: has no value; write one" for name in missing]
    for name in denied:
        hint = f"; write one, or if it is there add {_rule(name, scope)}" if scope else ""
        lines.append(f"{name}: denied or absent{hint}")
    return SecretsMissing(
        "\n  ".join([f"{len(lines)} required secrets cannot be read:", *lines]),
        missing=tuple(missing),
        denied=tuple(denied),
    )


def _rule(name: str, scope: Scope) -> str:
    return permissions.need("read-secret", scope.secret(name)).policy_rule()
