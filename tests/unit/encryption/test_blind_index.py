"""Blind indexes: matches, what an index reveals, and rotation that loses no row."""

from __future__ import annotations

import copy
import hmac
import json
import os
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.encryption.blind_index import normalise
from app_integration.encryption.blind_index.index import BlindIndex, bits_for
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.errors import (
    ConfigurationError,
    EncryptionError,
    IndexKeyLost,
    KeyUnavailable,
)
from app_integration.names import Environment, Scope
from app_integration.settings import Limits
from tests.support.models.index_parts import ROWS, World

FOLDER = Path(__file__).parents[2] / "vectors"
VECTORS = json.loads((FOLDER / "blind-index-v1.json").read_text(encoding="utf-8"))
NORMALISED = [
    *VECTORS["normalised"],
    *json.loads((FOLDER / "normalisers.json").read_text(encoding="utf-8"))["normalised"],
]
REFRESH = Limits().index_refresh


@pytest.fixture
def world() -> World:
    return World()


def email_index(world: World) -> BlindIndex:
    return world.process().index("users.email", rows=ROWS, normalise="email")


def name_index(world: World, rows: int = ROWS) -> BlindIndex:
    return world.process().index("users.name", rows=rows)


def test_equal_values_have_equal_index_values_in_every_process(world: World) -> None:
    one, other = email_index(world), email_index(world)
    assert one.value("Ada@Example.com ") == other.value("ada@example.COM")
    assert one.value("ada@example.com") in other.candidates("ADA@example.com")
    assert one.value("ada@example.com") != one.value("bob@example.com")
    assert len(world.rows.keys) == 1


def test_values_of_different_indexes_never_match(world: World) -> None:
    process = world.process()
    seen = {
        process.index(name, rows=2**40).value("ada")
        for name in ("users.name", "users.nickname", "orders.name")
    }
    elsewhere = world.process(Scope("shop", Environment.STAGING))
    seen.add(elsewhere.index("users.name", rows=2**40).value("ada"))
    assert len(seen) == 4


def test_values_of_different_types_and_parts_never_match(world: World) -> None:
    index = name_index(world, rows=2**40)
    values: list[object] = [1, "1", True, b"1", date(2026, 1, 31), "2026-01-31", UUID(int=1)]
    assert len({index.value(value) for value in values}) == len(values)
    pair = world.process().index("users.pair", rows=2**40, normalise=["exact", "exact"])
    assert len({pair.value(*two) for two in (("ab", "c"), ("a", "bc"), ("", "abc"))}) == 3


def test_value_of_none_is_none(world: World) -> None:
    index = email_index(world)
    pair = world.process().index("users.pair", rows=ROWS, normalise=["email", "exact"])
    assert index.value(None) is None
    assert pair.value("ada@example.com", None) is None
    assert index.candidates(None) == pair.candidates(None, "x") == ()
    assert index.is_current(None)


def test_values_are_those_of_each_row(world: World) -> None:
    index = email_index(world)
    pair = world.process().index("users.pair", rows=ROWS, normalise=["email", "exact"])
    emails, names = ["Ada@example.com", None, "bob@example.com", "ü@Ü.de"], [1, "Mel", None, b"x"]
    assert index.values(emails) == [index.value(each) for each in emails]
    assert pair.values(emails, names) == [
        pair.value(*row) for row in zip(emails, names, strict=True)
    ]


def test_values_without_a_row_need_no_key(world: World) -> None:
    index = world.process_without_keys().index("users.email", rows=ROWS, normalise="email")
    assert index.values([]) == []
    assert index.values([None, None]) == [None, None]
    with pytest.raises(IndexKeyLost):
        index.values([None, "ada@example.com"])


def test_values_of_wrong_columns_are_rejected(world: World) -> None:
    index = email_index(world)
    with pytest.raises(EncryptionError, match="cannot index 2 values; pass 1"):
        index.values(["ada@example.com"], ["Ada"])
    with pytest.raises(EncryptionError, match="lone surrogate"):
        index.values(["ada@example.com", "\ud800"])
    pair = world.process().index("users.pair", rows=ROWS, normalise=["email", "exact"])
    with pytest.raises(ValueError, match="shorter"):
        pair.values(["ada@example.com", "bob@example.com"], ["Ada"])


@pytest.mark.parametrize(
    ("rows", "distinct", "bits"),
    [
        (1, None, 0),
        (2, None, 0),
        (4, None, 1),
        (1000, None, 8),
        (1_000_000, None, 18),
        (1_000_000, 200, 6),
        (100, 1_000_000, 5),
        (2**60, None, 32),
    ],
)
def test_bits_for_leaves_two_or_more_values_per_index_value(
    rows: int, distinct: int | None, bits: int
) -> None:
    assert bits_for(rows, distinct) == bits


def test_index_value_is_shared_by_about_two_values(world: World) -> None:
    index = name_index(world, rows=4096)
    found = Counter(index.value(f"user {number}") for number in range(4096))
    assert len(found) <= 4096 / 2
    assert min(found.values()) < 2 < max(found.values())


@pytest.mark.parametrize(("rows", "distinct"), [(100, None), (1_000_000, 200), (1_000_000, 2)])
def test_index_of_few_distinct_values_needs_low_entropy(
    world: World, rows: int, distinct: int | None
) -> None:
    with pytest.raises(ConfigurationError, match="low_entropy=True"):
        world.process().index("users.country", rows=rows, distinct=distinct)
    index = world.process().index("users.country", rows=rows, distinct=distinct, low_entropy=True)
    assert index.value("FR") in index.candidates("FR")
    assert not index.values_equal(["FR"], ["DE"])


@pytest.mark.parametrize("vector", NORMALISED, ids=lambda vector: repr(vector["text"]))
def test_normaliser_returns_the_documented_form(vector: dict[str, str]) -> None:
    assert normalise.NORMALISERS[vector["by"]](vector["text"]) == vector["is"]


@given(st.text(), st.sampled_from(sorted(normalise.NORMALISERS)))
def test_normaliser_is_idempotent_and_never_fails(text: str, by: str) -> None:
    once = normalise.NORMALISERS[by](text)
    assert normalise.NORMALISERS[by](once) == once


@pytest.mark.parametrize("vector", VECTORS["values"], ids=lambda vector: str(vector["why"]))
def test_value_matches_the_documented_bytes(world: World, vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["key"])
    process = world.process()
    process._versions.keywords["random"] = lambda size: key[:size]
    index = process.index(vector["index"], rows=2 ** (vector["bits"] + 1), normalise=vector["by"])
    value_bytes = index.value(*vector["given"])
    assert value_bytes is not None
    assert value_bytes.hex() == vector["value"]
    assert value_bytes == value_by_document(key, vector)


def value_by_document(key: bytes, vector: dict[str, Any]) -> bytes:
    """Compute the value as ``docs/encryption-format.md`` describes it.

    It shares no code with the SDK but the normalisers.
    """
    name = vector["index"].encode()
    label = b"strongroom index" + bytes([len(vector["by"]), len(name)]) + name
    parts = [
        b"\x01" + normalise.NORMALISERS[by](text).encode()
        for by, text in zip(vector["by"], vector["given"], strict=True)
    ]
    message = parts[0]
    if len(parts) > 1:
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    digest = int.from_bytes(hmac.digest(key, label + message, "sha256"), "big")
    bits: int = vector["bits"]
    size: int = -(-bits // 8)
    kept: int = digest >> (256 - bits) << (8 * size - bits)
    return b"\x01" + kept.to_bytes(size, "big")


def test_rotation_finds_every_row_whatever_each_process_cached(world: World) -> None:
    early, stale = email_index(world), email_index(world)
    old = early.value("ada@example.com")
    stale.value("x@example.com")
    world.now += REFRESH / 2
    assert early.rotate() == 2
    # `stale` has not refreshed: it still writes version 1, so every process still writes it.
    assert early.value("ada@example.com") == stale.value("ada@example.com") == old
    world.now += 2 * REFRESH - 1
    assert early.value("ada@example.com") == old
    assert len(stale.candidates("ada@example.com")) == 2
    world.now += 2
    new = early.value("ada@example.com")
    assert new == stale.value("ada@example.com") != old
    for process in (early, stale):
        assert process.candidates("ada@example.com") == (old, new)
        assert not process.is_current(old)
        assert process.is_current(new)


def test_rotate_with_two_live_versions_is_rejected_until_one_is_retired(world: World) -> None:
    index = email_index(world)
    old = index.value("ada@example.com")
    index.rotate()
    with pytest.raises(ConfigurationError, match="retire it first"):
        index.rotate()
    with pytest.raises(ConfigurationError, match="cannot be retired"):
        index.retire(1)  # new values still use it
    world.now += 2 * REFRESH
    index.retire(1)
    assert old not in index.candidates("ada@example.com")
    assert index.rotate() == 3
    with pytest.raises(ConfigurationError, match="cannot be retired"):
        index.retire(1)


def test_changed_row_estimate_applies_from_the_next_rotation(world: World) -> None:
    small = name_index(world, rows=1000)
    old = small.value("ada")
    grown = name_index(world, rows=1_000_000)
    assert grown.value("ada") == old
    grown.rotate()
    world.now += 2 * REFRESH
    new = grown.value("ada")
    assert old is not None
    assert new is not None
    assert (len(old), len(new)) == (2, 4)
    assert small.value("ada") == new


def test_cached_keys_are_used_during_an_outage_up_to_their_age(world: World) -> None:
    index = email_index(world)
    value = index.value("ada@example.com")
    world.rows.unavailable = world.service.unavailable = True
    world.now += Limits().data_key_age - 1
    assert index.value("ada@example.com") == value
    world.now += 31
    with pytest.raises(KeyUnavailable):
        index.value("ada@example.com")
    world.rows.unavailable = False
    assert index.value("ada@example.com") == value


def test_rows_are_read_once_per_refresh_interval(world: World) -> None:
    index = email_index(world)
    index.value("ada@example.com")
    before = world.rows.lookups
    for _ in range(100):
        index.value("ada@example.com")
        index.candidates("ada@example.com")
    assert world.rows.lookups == before
    world.now += REFRESH + 1
    index.value("ada@example.com")
    assert world.rows.lookups == before + 1


def test_key_moved_to_another_index_is_rejected(world: World) -> None:
    email_index(world).value("ada@example.com")
    (row,) = world.rows.keys.values()
    world.rows.put(replace(row, index="users.phone"))
    with pytest.raises(IndexKeyLost):
        world.process_without_keys().index("users.phone", rows=ROWS).value("+4930")


def alter_row(world: World, version: int, **changes: Any) -> None:
    place = ("shop/prod", "users.email", version)
    world.rows.keys[place] = replace(world.rows.keys[place], **changes)


def swap_wrapped_keys(world: World) -> None:
    one, two = (world.rows.keys["shop/prod", "users.email", each] for each in (1, 2))
    alter_row(world, 1, wrapped=two.wrapped)
    alter_row(world, 2, wrapped=one.wrapped)


LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
#: Alterations of the rows 1 and 2 of an index.
TAMPERING: dict[str, Callable[[World], object]] = {
    "all gone": lambda world: world.rows.keys.clear(),
    "the newest gone": lambda world: world.rows.keys.pop(("shop/prod", "users.email", 2)),
    "the oldest gone": lambda world: world.rows.keys.pop(("shop/prod", "users.email", 1)),
    "more bits": lambda world: alter_row(world, 2, bits=256),
    "no bits": lambda world: alter_row(world, 1, bits=0),
    "fewer than none": lambda world: alter_row(world, 1, bits=-8),
    "a bit more": lambda world: alter_row(world, 2, bits=20),
    "written at once": lambda world: alter_row(world, 2, writes_from=LONG_AGO),
    "exchanged": swap_wrapped_keys,
}


@pytest.mark.parametrize("tampering", TAMPERING)
@pytest.mark.parametrize("running", [False, True], ids=["a new process", "a running one"])
def test_altered_rows_raise_an_error_that_names_the_table(
    world: World, tampering: str, running: bool
) -> None:
    index = email_index(world)
    index.rotate()
    index.value("ada@example.com")
    TAMPERING[tampering](world)
    rows = dict(world.rows.keys)
    if running:
        world.now += REFRESH + 1
    else:
        index = world.process_without_keys().index("users.email", rows=ROWS, normalise="email")
    for method in (index.value, index.candidates):
        with pytest.raises(IndexKeyLost, match=r"the table index_keys.*index users\.email"):
            method("ada@example.com")
    assert world.rows.keys == rows, "a running service wrote a key"


def test_retired_row_that_is_put_back_is_rejected(world: World) -> None:
    index = email_index(world)
    (first,) = world.rows.keys.values()
    index.rotate()
    bound = world.rows.keys["shop/prod", "users.email", 1]
    world.now += 2 * REFRESH
    index.retire(1)
    for old in (first, bound):
        world.rows.put(old)
        with pytest.raises(IndexKeyLost, match="put back"):
            world.process_without_keys().index("users.email", rows=ROWS).value("ada@example.com")


def test_running_service_never_creates_a_key(world: World) -> None:
    index = world.process_without_keys().index("users.email", rows=ROWS)
    with pytest.raises(
        IndexKeyLost, match=r"contains no key of index users\.email: create it once"
    ):
        index.value("ada@example.com")
    assert world.rows.keys == {}
    assert index.create()
    assert not index.create()
    assert index.value("ada@example.com") is not None


def test_concurrent_rotations_create_one_version(world: World) -> None:
    one, other = email_index(world), email_index(world)
    before = list(world.rows.keys.values())
    one.rotate()
    after = dict(world.rows.keys)
    versions = world.rows.versions
    with pytest.MonkeyPatch.context() as patch:
        seen = iter([before])  # the rows before the first rotation
        patch.setattr(world.rows, "versions", lambda *of: next(seen, None) or versions(*of))
        with pytest.raises(KeyUnavailable, match="another process has changed the key"):
            other.rotate()
    assert world.rows.keys == after


def test_bind_binds_legacy_rows_once(world: World) -> None:
    index = email_index(world)
    value = index.value("ada@example.com")
    (row,) = world.rows.keys.values()
    key, _ = world.service.known[row.wrapped]
    # Rows were first bound to nothing but the key's identity.
    first = {"use": "index key", "service": "shop", "environment": "prod"}
    scope = contexts.encode({**first, "index": "users.email", "version": 1})
    (wrapped,) = world.service.wrap([key], scope)
    alter_row(world, 1, wrapped=wrapped)
    stale = world.process_without_keys().index("users.email", rows=ROWS, normalise="email")
    with pytest.raises(IndexKeyLost):
        stale.value("ada@example.com")
    stale.bind()
    assert stale.value("ada@example.com") == value
    with pytest.raises(IndexKeyLost):
        stale.bind()


@pytest.mark.parametrize("value", [1.5, object(), {1, 2}, "\ud800"])
def test_value_that_cannot_be_indexed_is_rejected_and_not_shown(
    world: World, value: object
) -> None:
    with pytest.raises(EncryptionError) as caught:
        name_index(world).value(value)
    assert repr(value) not in str(caught.value)


def test_invalid_declarations_are_rejected_without_a_request(world: World) -> None:
    process = world.process_without_keys()
    process.index("users.email", rows=ROWS)
    wrong: list[tuple[str, Any]] = [
        ("users.email", "exact"),
        ("", "exact"),
        ("x" * 256, "exact"),
        ("users.a", "soundex"),
        ("users.b", []),
        ("users.c", ["exact"] * 9),
    ]
    for name, by in wrong:
        with pytest.raises(ConfigurationError):
            process.index(name, rows=ROWS, normalise=by)
    with pytest.raises(ConfigurationError, match="is not declared"):
        process["users.nothing"]
    with pytest.raises(EncryptionError, match="cannot index 2 values"):
        process["users.email"].value("a", "b")
    assert world.rows.lookups == 0


def test_index_keys_are_not_shown_pickled_or_copied(world: World) -> None:
    index = email_index(world)
    index.value("ada@example.com")
    ((key, _),) = world.service.known.values()
    shown = repr([index, vars(index), vars(index._versions), index._versions._state])
    assert key.hex() not in shown
    assert repr(key) not in shown
    for copy_or_pickle in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            copy_or_pickle(index)


def test_forked_child_computes_the_same_values(world: World) -> None:
    index = email_index(world)
    value = index.value("ada@example.com")
    child = os.fork()
    if child == 0:
        os._exit(0 if index.value("ada@example.com") == value else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
