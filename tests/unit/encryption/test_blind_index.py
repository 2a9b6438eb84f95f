"""Blind indexes: what is found, what isn't shown, and how a key is rotated without losing a row."""

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


def emails(world: World) -> BlindIndex:
    return world.process().index("users.email", rows=ROWS, normalise="email")


def exact(world: World, rows: int = ROWS) -> BlindIndex:
    return world.process().index("users.name", rows=rows)


def test_equal_values_have_equal_index_values_in_every_process(world: World) -> None:
    one, other = emails(world), emails(world)
    assert one.value("Ada@Example.com ") == other.value("ada@example.COM")
    assert one.value("ada@example.com") in other.candidates("ADA@example.com")
    assert one.value("ada@example.com") != one.value("bob@example.com")
    assert len(world.rows.keys) == 1


def test_one_index_tells_nothing_of_another(world: World) -> None:
    process = world.process()
    seen = {
        process.index(name, rows=2**40).value("ada")
        for name in ("users.name", "users.nickname", "orders.name")
    }
    elsewhere = world.process(Scope("shop", Environment.STAGING))
    seen.add(elsewhere.index("users.name", rows=2**40).value("ada"))
    assert len(seen) == 4


def test_types_and_parts_cannot_be_mistaken_for_each_other(world: World) -> None:
    index = exact(world, rows=2**40)
    values: list[object] = [1, "1", True, b"1", date(2026, 1, 31), "2026-01-31", UUID(int=1)]
    assert len({index.value(value) for value in values}) == len(values)
    pair = world.process().index("users.pair", rows=2**40, normalise=["exact", "exact"])
    assert len({pair.value(*two) for two in (("ab", "c"), ("a", "bc"), ("", "abc"))}) == 3


def test_nothing_is_stored_for_none(world: World) -> None:
    index = emails(world)
    pair = world.process().index("users.pair", rows=ROWS, normalise=["email", "exact"])
    assert index.value(None) is None
    assert pair.value("ada@example.com", None) is None
    assert index.candidates(None) == pair.candidates(None, "x") == ()
    assert index.is_current(None)


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
def test_the_bits_leave_two_values_or_more_to_each_index_value(
    rows: int, distinct: int | None, bits: int
) -> None:
    assert bits_for(rows, distinct) == bits


def test_so_many_values_do_share_each_index_value(world: World) -> None:
    index = exact(world, rows=4096)
    found = Counter(index.value(f"user {number}") for number in range(4096))
    assert len(found) <= 4096 / 2
    assert min(found.values()) < 2 < max(found.values())


@pytest.mark.parametrize(("rows", "distinct"), [(100, None), (1_000_000, 200), (1_000_000, 2)])
def test_a_column_of_few_values_needs_an_explicit_word(
    world: World, rows: int, distinct: int | None
) -> None:
    with pytest.raises(ConfigurationError, match="low_entropy=True"):
        world.process().index("users.country", rows=rows, distinct=distinct)
    index = world.process().index("users.country", rows=rows, distinct=distinct, low_entropy=True)
    assert index.value("FR") in index.candidates("FR")
    assert not index.same(["FR"], ["DE"])


@pytest.mark.parametrize("vector", NORMALISED, ids=lambda vector: repr(vector["text"]))
def test_values_that_count_as_equal_have_one_spelling(vector: dict[str, str]) -> None:
    assert normalise.NORMALISERS[vector["by"]](vector["text"]) == vector["is"]


@given(st.text(), st.sampled_from(sorted(normalise.NORMALISERS)))
def test_normalising_twice_changes_nothing_and_never_fails(text: str, by: str) -> None:
    once = normalise.NORMALISERS[by](text)
    assert normalise.NORMALISERS[by](once) == once


@pytest.mark.parametrize("vector", VECTORS["values"], ids=lambda vector: str(vector["why"]))
def test_the_bytes_are_those_of_the_format(world: World, vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["key"])
    process = world.process()
    process._versions.keywords["random"] = lambda size: key[:size]
    index = process.index(vector["index"], rows=2 ** (vector["bits"] + 1), normalise=vector["by"])
    made = index.value(*vector["given"])
    assert made is not None
    assert made.hex() == vector["value"]
    assert made == by_the_page(key, vector)


def by_the_page(key: bytes, vector: dict[str, Any]) -> bytes:
    """The value as ``docs/encryption-format.md`` has it; of the SDK only normalisers."""
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


def test_a_rotation_loses_no_row_whatever_each_process_knows(world: World) -> None:
    early, late = emails(world), emails(world)
    old = early.value("ada@example.com")
    late.value("x@example.com")
    world.now += REFRESH / 2
    assert early.rotate() == 2
    # `late` hasn't looked up again: it still writes version 1, and so does everybody.
    assert early.value("ada@example.com") == late.value("ada@example.com") == old
    world.now += 2 * REFRESH - 1
    assert early.value("ada@example.com") == old
    assert len(late.candidates("ada@example.com")) == 2
    world.now += 2
    new = early.value("ada@example.com")
    assert new == late.value("ada@example.com") != old
    for process in (early, late):
        assert process.candidates("ada@example.com") == (old, new)
        assert not process.is_current(old)
        assert process.is_current(new)


def test_a_third_version_waits_for_the_first_to_be_retired(world: World) -> None:
    index = emails(world)
    old = index.value("ada@example.com")
    index.rotate()
    with pytest.raises(ConfigurationError, match="retire it first"):
        index.rotate()
    with pytest.raises(ConfigurationError, match="cannot be retired"):
        index.retire(1)  # still the one that is written
    world.now += 2 * REFRESH
    index.retire(1)
    assert old not in index.candidates("ada@example.com")
    assert index.rotate() == 3
    with pytest.raises(ConfigurationError, match="cannot be retired"):
        index.retire(1)


def test_another_estimate_counts_from_the_next_rotation(world: World) -> None:
    small = exact(world, rows=1000)
    old = small.value("ada")
    grown = exact(world, rows=1_000_000)
    assert grown.value("ada") == old
    grown.rotate()
    world.now += 2 * REFRESH
    new = grown.value("ada")
    assert old is not None
    assert new is not None
    assert (len(old), len(new)) == (2, 4)
    assert small.value("ada") == new


def test_held_keys_go_on_while_rows_or_server_are_away_up_to_their_age(world: World) -> None:
    index = emails(world)
    value = index.value("ada@example.com")
    world.rows.away = world.service.away = True
    world.now += Limits().data_key_age - 1
    assert index.value("ada@example.com") == value
    world.now += 31
    with pytest.raises(KeyUnavailable):
        index.value("ada@example.com")
    world.rows.away = False
    assert index.value("ada@example.com") == value


def test_rows_are_looked_up_once_in_five_minutes_and_not_more_while_they_are_away(
    world: World,
) -> None:
    index = emails(world)
    index.value("ada@example.com")
    before = world.rows.looked_up
    for _ in range(100):
        index.value("ada@example.com")
        index.candidates("ada@example.com")
    assert world.rows.looked_up == before
    world.now += REFRESH + 1
    index.value("ada@example.com")
    assert world.rows.looked_up == before + 1


def test_a_key_under_another_name_does_not_open(world: World) -> None:
    emails(world).value("ada@example.com")
    (row,) = world.rows.keys.values()
    moved = type(row)(row.scope, "users.phone", 1, row.bits, row.wrapped, row.writes_from)
    world.rows.put(moved)
    with pytest.raises(IndexKeyLost):
        world.unprepared().index("users.phone", rows=ROWS).value("+4930")


def changed(world: World, version: int, **changes: Any) -> None:
    place = ("shop/prod", "users.email", version)
    world.rows.keys[place] = replace(world.rows.keys[place], **changes)


def exchanged(world: World) -> None:
    one, two = (world.rows.keys["shop/prod", "users.email", each] for each in (1, 2))
    changed(world, 1, wrapped=two.wrapped)
    changed(world, 2, wrapped=one.wrapped)


LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
#: What somebody does to the rows 1 and 2 of an index.
TAMPERING: dict[str, Callable[[World], object]] = {
    "all gone": lambda world: world.rows.keys.clear(),
    "the newest gone": lambda world: world.rows.keys.pop(("shop/prod", "users.email", 2)),
    "the oldest gone": lambda world: world.rows.keys.pop(("shop/prod", "users.email", 1)),
    "more bits": lambda world: changed(world, 2, bits=256),
    "no bits": lambda world: changed(world, 1, bits=0),
    "fewer than none": lambda world: changed(world, 1, bits=-8),
    "a bit more": lambda world: changed(world, 2, bits=20),
    "written at once": lambda world: changed(world, 2, writes_from=LONG_AGO),
    "exchanged": exchanged,
}


@pytest.mark.parametrize("tampering", TAMPERING)
@pytest.mark.parametrize("running", [False, True], ids=["a new process", "a running one"])
def test_rows_that_are_not_as_they_were_written_are_an_error_that_names_the_table(
    world: World, tampering: str, running: bool
) -> None:
    index = emails(world)
    index.rotate()
    index.value("ada@example.com")
    TAMPERING[tampering](world)
    rows = dict(world.rows.keys)
    if running:
        world.now += REFRESH + 1
    else:
        index = world.unprepared().index("users.email", rows=ROWS, normalise="email")
    for ask in (index.value, index.candidates):
        with pytest.raises(IndexKeyLost, match=r"the table index_keys.*index users\.email"):
            ask("ada@example.com")
    assert world.rows.keys == rows, "a running service wrote a key"


def test_a_retired_row_that_is_put_back_is_noticed(world: World) -> None:
    index = emails(world)
    (first,) = world.rows.keys.values()
    index.rotate()
    bound = world.rows.keys["shop/prod", "users.email", 1]
    world.now += 2 * REFRESH
    index.retire(1)
    for old in (first, bound):
        world.rows.put(old)
        with pytest.raises(IndexKeyLost, match="put back"):
            world.unprepared().index("users.email", rows=ROWS).value("ada@example.com")


def test_a_running_service_never_makes_a_key(world: World) -> None:
    index = world.unprepared().index("users.email", rows=ROWS)
    with pytest.raises(
        IndexKeyLost, match=r"contains no key of index users\.email: create it once"
    ):
        index.value("ada@example.com")
    assert world.rows.keys == {}
    assert index.create()
    assert not index.create()
    assert index.value("ada@example.com") is not None


def test_two_that_rotate_at_once_make_one_version(world: World) -> None:
    one, other = emails(world), emails(world)
    before = list(world.rows.keys.values())
    one.rotate()
    after = dict(world.rows.keys)
    versions = world.rows.versions
    with pytest.MonkeyPatch.context() as patch:
        seen = iter([before])  # as it was when the other one looked
        patch.setattr(world.rows, "versions", lambda *of: next(seen, None) or versions(*of))
        with pytest.raises(KeyUnavailable, match=r"changed the key of index users\.email meanwhile"):
            other.rotate()
    assert world.rows.keys == after


def test_rows_from_before_they_were_bound_are_bound_once_and_on_purpose(world: World) -> None:
    index = emails(world)
    value = index.value("ada@example.com")
    (row,) = world.rows.keys.values()
    key, _ = world.service.known[row.wrapped]
    # As they were made at first: nothing but the key's own name is bound.
    first = {"use": "index key", "service": "shop", "environment": "prod"}
    scope = contexts.encode({**first, "index": "users.email", "version": 1})
    (wrapped,) = world.service.wrap([key], scope)
    changed(world, 1, wrapped=wrapped)
    late = world.unprepared().index("users.email", rows=ROWS, normalise="email")
    with pytest.raises(IndexKeyLost):
        late.value("ada@example.com")
    late.bind()
    assert late.value("ada@example.com") == value
    with pytest.raises(IndexKeyLost):
        late.bind()


@pytest.mark.parametrize("value", [1.5, object(), {1, 2}, "\ud800"])
def test_what_cannot_be_indexed_is_refused_and_not_shown(world: World, value: object) -> None:
    with pytest.raises(EncryptionError) as refused:
        exact(world).value(value)
    assert repr(value) not in str(refused.value)


def test_wrong_declarations_are_refused_before_anything_is_asked(world: World) -> None:
    process = world.unprepared()
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
    assert world.rows.looked_up == 0


def test_keys_are_neither_shown_nor_carried_away(world: World) -> None:
    index = emails(world)
    index.value("ada@example.com")
    ((key, _),) = world.service.known.values()
    shown = repr([index, vars(index), vars(index._versions), index._versions._state])
    assert key.hex() not in shown
    assert repr(key) not in shown
    for carry in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            carry(index)


def test_a_forked_child_goes_on_with_the_same_values(world: World) -> None:
    index = emails(world)
    value = index.value("ada@example.com")
    child = os.fork()
    if child == 0:
        os._exit(0 if index.value("ada@example.com") == value else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
