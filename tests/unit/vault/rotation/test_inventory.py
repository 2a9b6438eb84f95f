"""What is rotated, by the declaration: each item with its period, declared or the default one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app_integration.names import Environment, Scope
from policies.render import render_policies
from tests.support.models.rotations import change_service
from tests.unit.vault.conftest import change_deployment
from vault.declare.load import load
from vault.declare.schema.adopted_secret import Adoption
from vault.declare.schema.keys import IndexDeclaration
from vault.declare.schema.paired_secret import Pairing
from vault.declare.schema.secret_sources import Derived
from vault.rotation.inventory import Item, declared_items

STORE = Scope("gaara-store", Environment.DEV)


def by_name(items: list[Item]) -> dict[tuple[str, str], Item]:
    return {(each.kind.value, each.name): each for each in items}


def test_items_of_a_service_have_declared_or_default_periods() -> None:
    found = by_name(declared_items(load(), Environment.DEV, "gaara-store"))
    periods = {
        name: (each.every and each.every // 86_400, each.is_declared)
        for (_, name), each in found.items()
    }
    assert periods == {
        "database-url": (30, True),
        "jwt-secret": (90, True),
        "redis-url": (90, False),
        "smtp-password": (90, False),
        "pii": (90, True),
        "index": (365, True),
        "audit": (90, True),
        "gaara_store_manager": (30, False),
        "gaara-store-dev": (90, True),
        "gaara-store-dev-blue": (90, True),
        "gaara-store-dev-green": (90, True),
        "gaara-store-dev-starter": (90, True),
    }


def test_all_services_come_before_the_jobs() -> None:
    services = [each.service for each in declared_items(load(), Environment.DEV)]
    assert list(dict.fromkeys(services)) == ["gaara-store", "orders-mail", None]
    assert services.count(None) == 4


def test_adopted_secret_is_a_static_user_and_a_derived_one_has_no_period() -> None:
    adopted = {"database-url": Adoption(username="shop_app")}
    declaration = change_deployment(load(), STORE, adopted=adopted)
    both = Derived(source="derived", format="{redis-url}/{jwt-secret}")
    secrets = {**declaration.services["gaara-store"].secrets, "both": both}
    declaration = change_service(declaration, "gaara-store", secrets=secrets)
    found = by_name(declared_items(declaration, Environment.DEV, "gaara-store"))
    user, derived = found["static-user", "database-url"], found["secret", "both"]
    assert user.server_name == STORE.static_role("database-url")
    assert (user.every, user.is_declared) == (30 * 86_400, True)
    assert (derived.every, derived.derived_from) == (None, ("redis-url", "jwt-secret"))
    assert ("secret", "database-url") not in found


def test_declared_index_has_an_item_and_its_record_can_be_written_by_the_rotator() -> None:
    hooks = {name: ("hooks/index", name) for name in ("rotate", "count", "retire")}
    index = IndexDeclaration.model_validate({"hooks": hooks, "rotate_every": "365d"})
    declaration = change_service(load(), "gaara-store", indexes={"a.b": index})
    found = by_name(declared_items(declaration, Environment.DEV, "gaara-store"))
    assert found["index-key", "a.b"].server_name == "gaara-store/dev/a.b"
    assert found["index-key", "a.b"].every == 365 * 86_400
    policy = render_policies(declaration, Environment.DEV)["strongroom-rotator"]
    assert "secret/metadata/_strongroom/dev/rotation/index-key/gaara-store/dev/a.b" in policy


def test_paired_secret_is_one_item_whose_age_is_that_of_the_secret() -> None:
    paired = {"redis-url": Pairing(usernames=("a", "b"))}
    declaration = change_deployment(load(), STORE, paired=paired)
    found = by_name(declared_items(declaration, Environment.DEV, "gaara-store"))
    assert ("secret", "redis-url") not in found
    pair = found["user-pair", "redis-url"]
    assert pair.server_name == STORE.secret("redis-url")
    assert (pair.every, pair.is_declared) == (30 * 86_400, False)


@pytest.mark.parametrize("users", [("a",), ("a", "b", "c"), ("a", "a")])
def test_pair_of_any_other_number_of_users_is_rejected(users: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        Pairing(usernames=users)
