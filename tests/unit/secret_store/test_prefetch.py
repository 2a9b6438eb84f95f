"""Several secrets in one request at the start."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app_integration.errors import Unreachable
from app_integration.secret import Secret
from app_integration.sources import FetchedSecret
from tests.unit.secret_store.test_store import Script, Shop


class Batches(Script):
    """Source that returns the names in *table* in one request."""

    def __init__(self, table: dict[str, str], *singly: str) -> None:
        super().__init__(*(singly or ("singly",)))
        self.table = table
        self.batches: list[list[str]] = []

    def fetch_many(self, names: Sequence[str], /) -> dict[str, FetchedSecret]:
        self.batches.append([*names])
        return {
            name: FetchedSecret(Secret(self.table[name]), "vault", 1)
            for name in names
            if name in self.table
        }


class Lost(Batches):
    """Source that is unavailable."""

    def fetch_many(self, names: Sequence[str], /) -> dict[str, FetchedSecret]:
        super().fetch_many(names)
        raise Unreachable("no server")


def test_required_secrets_are_fetched_in_one_request() -> None:
    source = Batches({"a": "one", "b": "two"})
    shop = Shop(source)
    shop.store.require(["a", "b", "c"])
    assert [shop.store.get(name) for name in "abc"] == ["one", "two", "singly"]
    assert (source.batches, source.calls) == ([["a", "b", "c"]], 1)


def test_cached_secrets_are_not_fetched_again() -> None:
    source = Batches({"a": "one", "b": "two", "c": "three"})
    shop = Shop(source)
    for _ in range(2):
        shop.store.require(["a", "b"])
    shop.store.require(["a", "b", "c"])  # one missing name is requested as ever
    assert (source.batches, source.calls) == ([["a", "b"]], 1)


def test_values_of_a_batch_are_redacted_and_expire() -> None:
    source = Batches({"a": "one", "b": "two"})
    shop = Shop(source)
    shop.store.require(["a", "b"])
    shop.clock.now += shop.store.limits.cache_ttl
    assert shop.store.get("a") == "singly"


def test_unavailable_batch_without_another_source_is_an_outage() -> None:
    source = Lost({})
    with pytest.raises(Unreachable):
        Shop(source).store.require(["a", "b"])
    assert (source.batches, source.calls) == ([["a", "b"]], 0)


def test_unavailable_batch_leaves_the_secrets_to_a_later_source() -> None:
    source, file = Lost({}), Script("delivered", name="rendered")
    source.answers.clear()
    source.answers.append(Unreachable("no server"))
    shop = Shop(source, file)
    shop.store.require(["a", "b"])
    assert shop.store.get("a") == "delivered"
