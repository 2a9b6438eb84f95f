"""Catalogue of the kinds of rotation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.kind_protocol import Steps
from vault.rotation.kinds import (
    declared_secret,
    index_key,
    root_user,
    secret_id,
    transit_key,
    user_pair,
)

Builder = Callable[[RotationContext, Item], Steps]

#: Kind of item → how its rotation is built.
BUILDERS: Final[Mapping[Kind, Builder]] = {
    Kind.SECRET: declared_secret.build,
    Kind.KEY: transit_key.build,
    Kind.INDEX_KEY: index_key.build,
    Kind.STATIC_USER: declared_secret.build,  # names the command for an adopted secret
    Kind.SECRET_ID: secret_id.build,
    Kind.ROOT_USER: root_user.build,
    Kind.USER_PAIR: user_pair.build,
}


def build_steps(context: RotationContext, item: Item) -> Steps:
    """Return the steps that rotate *item*. No request is sent.

    Raises OwnedElsewhere if only the owner of the value can change it.
    """
    return BUILDERS[item.kind](context, item)
