"""Building of the rotation of a secret from its declaration."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.declare import derived_secret
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.secret_sources import (
    ALPHABETS,
    DEFAULT_RETIRE_AFTER,
    Derived,
    Generated,
    Given,
    Source,
)
from vault.reconcile.resources.secrets import DerivedValue
from vault.rotation.consumers.promotion import longest_use
from vault.rotation.context import RotationContext
from vault.rotation.evidence_choice import observe
from vault.rotation.hooks import NO_HOOKS, Commands
from vault.rotation.inventory import Item
from vault.rotation.kinds.secret import SecretRotation
from vault.rotation.rotation import OwnedElsewhere

#: Length and alphabet of the value for a hook ``set``.
_LENGTH: Final = 48
_ALPHABET: Final = "alphanumeric"


def build(context: RotationContext, item: Item) -> SecretRotation:
    """Return the steps that rotate the secret *item*."""
    scope = Scope(item.service or "", context.environment)
    source = context.declaration.secrets(scope)[item.name]
    if isinstance(source, Derived):
        parts = ", ".join(source.references)
        raise ConfigurationError(f"{item.name} is derived; rotate one of its parts: {parts}")
    if isinstance(source, Given) and source.hooks is None:
        raise OwnedElsewhere(
            f"{item.name} is given, and only its owner can change it: get a new value there, and "
            f"write it with: strongroom put {item.name} --service {scope.service} "
            f"--env {scope.environment}; or declare hooks that do so"
        )
    if isinstance(source, Adopted):
        raise ConfigurationError(
            f"{item.name} is adopted, so that the server sets its password; rotate it with "
            "strongroom rotate-password"
        )
    length, alphabet = _LENGTH, _ALPHABET
    if isinstance(source, Generated):
        length, alphabet = source.length, source.alphabet
    retire_after = source.retire_after or DEFAULT_RETIRE_AFTER
    hooks = source.hooks.commands if isinstance(source, Given) and source.hooks else NO_HOOKS
    rotation = assemble(context, item, retire_after, hooks)
    return replace(
        rotation,
        generate=partial(context.generate, length, ALPHABETS[alphabet]),
        announce_for=_find_announcement(context, source),
    )


def _find_announcement(context: RotationContext, source: Source) -> timedelta | None:
    """Return for how long a new value is announced: as long as any process uses its cache."""
    if not isinstance(source, Generated) or source.announce_for is None:
        return None
    declared = timedelta(seconds=source.announce_for)
    return max(declared, longest_use(context.declared.agent.render_interval))


def assemble(
    context: RotationContext, item: Item, retire_after: int, hooks: Commands = NO_HOOKS
) -> SecretRotation:
    """Return the steps for the secret *item*, with a random value."""
    scope = Scope(item.service or "", context.environment)
    return SecretRotation(
        item=item,
        session=context.session,
        mounts=context.mounts,
        owner=context.owner,
        pending=context.pending(item),
        generate=partial(context.generate, _LENGTH, ALPHABETS[_ALPHABET]),
        hooks=context.runner(item, hooks),
        derived=tuple(find_derived(context, scope, item.name)),
        observe=partial(observe, context, item, retire_after),
    )


def find_derived(context: RotationContext, scope: Scope, name: str) -> list[DerivedValue]:
    """Return the secrets that are composed of *name*, directly or not, in order."""
    declared = context.declaration.secrets(scope)
    uses = {key: each.references for key, each in declared.items() if isinstance(each, Derived)}
    affected, found = {name}, []
    for key in derived_secret.sort_by_dependency(uses):
        source = declared[key]
        if isinstance(source, Derived) and affected & {*source.references}:
            affected.add(key)
            parts = {part: scope.secret(part) for part in source.references}
            path, mount = scope.secret(key), context.mounts.kv
            found.append(DerivedValue(path, source.format, parts, mount))
    return found
