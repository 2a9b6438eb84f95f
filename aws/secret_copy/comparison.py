"""Comparison of a secret on both backends: whether it is to be copied, and whether it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from aws.secret_copy.backend import SecretBackend, Stored
from aws.secret_copy.entry import Entry
from vault.declare import derived_secret


class State(StrEnum):
    """Result of a comparison."""

    EQUAL = "equal"
    MISSING = "missing"
    DIFFERENT = "different"
    NO_VALUE = "no value"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CopiedSecret:
    """A declared secret.

    *format* is None unless it is derived, and *parts* maps each name in it to a path. Vault changes
    the password of one that *is_adopted*.
    """

    path: str
    format: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    is_adopted: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """One secret on both backends; *entry* is what the target must have, *held* what it has."""

    secret: CopiedSecret
    state: State
    held: Stored
    entry: Entry | None = None
    reason: str = ""


def compare(
    secret: CopiedSecret,
    found: Mapping[str, Stored],
    held: Stored,
    source: SecretBackend,
    target: SecretBackend,
) -> Comparison:
    """Return the comparison of a secret. Nothing is sent.

    *found* is what the source has of each secret, by path, and *held* what the target has of this.
    """
    original = found[secret.path]
    entry = original.entry
    reason = _adopted_reason(secret) or original.problem or held.problem
    if entry is None and held.entry is None and not reason:
        return Comparison(secret, State.NO_VALUE, held)
    if entry is None:
        reason = reason or _missing_reason(secret, source, target)
        return Comparison(secret, State.REFUSED, held, reason=reason)
    reason = (
        reason
        or _unfit_reason(secret, entry, target)
        or _outdated_reason(secret, entry, found, source)
    )
    if reason:
        return Comparison(secret, State.REFUSED, held, reason=reason)
    if held.entry is None:
        return Comparison(secret, State.MISSING, held, entry)
    state = State.EQUAL if entry.equals(held.entry) else State.DIFFERENT
    return Comparison(secret, state, held, entry)


def _adopted_reason(secret: CopiedSecret) -> str:
    if not secret.is_adopted:
        return ""
    return (
        f"{secret.path} is adopted, so Vault changes its password, and a copy ends with the next "
        "change; first go back with strongroom adopt --undo"
    )


def _missing_reason(secret: CopiedSecret, source: SecretBackend, target: SecretBackend) -> str:
    return (
        f"{secret.path} has a value on {target.name} and none on {source.name}; write it there, "
        "or delete the other one"
    )


def _outdated_reason(
    secret: CopiedSecret, entry: Entry, found: Mapping[str, Stored], source: SecretBackend
) -> str:
    """Return why a derived value is not what the target would compose; empty if it is."""
    if secret.format is None:
        return ""
    values: dict[str, Secret] = {}
    for name, path in secret.parts.items():
        part = found[path].entry
        if part is None or part.has_fields:
            return f"{secret.path} is derived of {path}, which has no text on {source.name}"
        values[name] = part.text
    if entry.equals(Entry(derived_secret.compose(secret.format, values))):
        return ""
    return (
        f"{secret.path} is not what its parts on {source.name} compose; run strongroom apply for it"
    )


def _unfit_reason(secret: CopiedSecret, entry: Entry, target: SecretBackend) -> str:
    try:
        target.check(secret.path, entry)
    except ConfigurationError as error:
        return str(error)
    return ""
