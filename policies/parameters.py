"""Values in the parameters of a policy, as HCL: exact ones, and prefixes."""

from __future__ import annotations

from app_integration.errors import ConfigurationError
from vault.reconcile.hcl.strings import quote


def exact(value: object) -> str:
    """Return the HCL of *value* with which the server compares a parameter as it is.

    The server takes a text that begins or ends with ``*`` for a pattern, and has no escape for it.
    """
    if isinstance(value, bool):
        return quote(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(exact, value))}]"
    if not isinstance(value, str):
        raise ConfigurationError(f"{value!r} in a policy equals no parameter; write it as text")
    if value.startswith("*") or value.endswith("*"):
        raise ConfigurationError(
            f"{value[:40]!r} in a policy would allow other values too, because the server takes a "
            "'*' at either end for a pattern; remove it"
        )
    return quote(value)


def prefix(value: str) -> str:
    """Return the HCL of the pattern of all texts that begin with *value*."""
    if not value:
        raise ConfigurationError("an empty prefix in a policy would allow any value; write '[]'")
    return f'{exact(value)[:-1]}*"'
