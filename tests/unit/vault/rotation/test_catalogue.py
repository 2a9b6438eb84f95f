"""Kinds of rotation, by the declared kind of an item."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from tests.support.models.rotations import dev_context
from tests.unit.vault.conftest import change_deployment
from vault.declare.load import load
from vault.declare.schema.adopted_secret import Adoption
from vault.rotation.inventory import declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.kinds.catalogue import BUILDERS, build_steps


def test_every_kind_of_item_has_a_builder() -> None:
    assert set(BUILDERS) == set(Kind)


def test_adopted_secret_names_the_command_that_rotates_it() -> None:
    scope = Scope("gaara-store", Environment.DEV)
    adopted = {"database-url": Adoption(username="shop_app")}
    declaration = change_deployment(load(), scope, adopted=adopted)
    items = declared_items(declaration, Environment.DEV, "gaara-store")
    (item,) = (each for each in items if each.kind is Kind.STATIC_USER)
    context = dev_context(declaration, cast("Session", None), lambda: datetime.now(UTC))
    with pytest.raises(ConfigurationError, match=r"database-url is adopted, .*rotate-password"):
        build_steps(context, item)
