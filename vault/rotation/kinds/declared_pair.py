"""Building of the rotation of a paired secret from its declaration."""

from __future__ import annotations

from app_integration.names import Scope
from vault.declare.schema.secret_sources import Given
from vault.reconcile.desired.static_users import pair_role_names
from vault.rotation.consumers.kv_log import longest_use
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item
from vault.rotation.kinds.declared_secret import DEFAULT_RETIRE_AFTER, assemble
from vault.rotation.kinds.user_pair import UserPairRotation


def build(context: RotationContext, item: Item) -> UserPairRotation:
    """Return the steps that rotate the paired secret *item*."""
    scope = Scope(item.service or "", context.environment)
    source = context.declaration.secrets(scope)[item.name]
    declared = source.retire_after if isinstance(source, Given) else None
    retire_after = declared or DEFAULT_RETIRE_AFTER
    return UserPairRotation(
        secret=assemble(context, item, retire_after),
        roles=pair_role_names(context.declaration, scope)[item.name],
        store=context.store(item),
        unused_after=longest_use(context.declared.agent.render_interval),
    )
