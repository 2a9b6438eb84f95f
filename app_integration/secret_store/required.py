"""What to say when secrets that are required at start-up can't be had."""

from __future__ import annotations

from collections.abc import Sequence

from app_integration import permissions
from app_integration.errors import SecretsMissing
from app_integration.names import Scope


def missing_secrets(
    missing: Sequence[str], denied: Sequence[str], scope: Scope | None
) -> SecretsMissing:
    """One error for all: a line for each name, with the rule that would grant one *denied*."""
    lines = [f"{name}: holds no value; write one" for name in missing]
    for name in denied:
        hint = f"; write one, or if it is there add {_rule(name, scope)}" if scope else ""
        lines.append(f"{name}: denied or absent{hint}")
    return SecretsMissing(
        "\n  ".join([f"{len(lines)} required secrets can't be had:", *lines]),
        missing=tuple(missing),
        denied=tuple(denied),
    )


def _rule(name: str, scope: Scope) -> str:
    return permissions.need("read-secret", scope.secret(name)).rule()
