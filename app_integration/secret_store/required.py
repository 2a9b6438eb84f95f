"""Check of the secrets that are required at start-up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from app_integration.errors import AccessDenied, InvalidName, SecretNotFound, SecretsMissing


def list_names(wanted: Iterable[str]) -> list[str]:
    """Return the names in *wanted*, each once."""
    if isinstance(wanted, str):
        raise InvalidName(f"{wanted!r} is one name; pass a list of names")
    return list(dict.fromkeys(wanted))


def check_required(
    wanted: Iterable[str],
    get: Callable[[str], object],
    rule: Callable[[str], str] | None,
) -> None:
    """Check that all secrets in *wanted* can be read."""
    missing: list[str] = []
    denied: dict[str, str] = {}
    for name in wanted:
        try:
            get(name)
        except SecretNotFound:
            missing.append(name)
        except AccessDenied as error:
            denied[name] = error.hint
    if missing or denied:
        raise _missing_secrets_error(missing, denied, rule)


def _missing_secrets_error(
    missing: Sequence[str], denied: Mapping[str, str], rule: Callable[[str], str] | None
) -> SecretsMissing:
    """Return one error with a line for each secret that cannot be read."""
    lines = [
        f"{name}: has no value; strongroom put {name} writes one, strongroom apply a generated one"
        for name in missing
    ]
    for name in denied:
        hint = f"; write one, or if it is there add {rule(name)}" if rule else ""
        lines.append(f"{name}: denied or absent{hint}")
    hints = {hint for hint in denied.values() if hint}
    return SecretsMissing(
        "\n  ".join(["required secrets cannot be read:", *lines, *sorted(hints)]),
        missing=tuple(missing),
        denied=tuple(denied),
    )
