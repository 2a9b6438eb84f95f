"""Fast path of decryption: it decides as the slow path does, and keeps no key longer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.encryption import fast_decryption
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.cache import CachedKey, DataKeyCache
from app_integration.encryption.keys.data_key import TEXT_PURPOSES, DataKey
from app_integration.encryption.parsed_token import LARGEST
from app_integration.encryption.tokens import envelope
from app_integration.errors import DecryptionFailed, InvalidContext, StrongroomError
from app_integration.settings import Limits
from tests.support.clock import Clock
from tests.support.models.cipher_parts import World

KINDS = ["text", "keyring"]
PAIR = ["user_id", "a"]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
OUTSIDE = "+/=.! \n\x00ü\ud800"
CONTEXTS: list[Any] = [
    None,
    {"user_id": 7},
    {"user_id": 8},
    {"user_id": -7},
    {"user_id": 0},
    {"user_id": 2**64},
    {"user_id": 2**9000},
    {"user_id": "7"},
    {"user_id": b"7"},
    {"user_id": True},
    {"user_id": UUID(int=7)},
    {"user_id": 7.0},
    {"user_id": None},
    {"user": 7},
    {7: 7},
    {"": 7},
    {"user_id": 7, "a": 1},
    {},
    [("user_id", 7)],
]


def make(kind: str, world: World, **options: Any) -> FieldCipher:
    return world.process(**options) if kind == "keyring" else world.text_process(**options)


def outcome(call: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[object, ...]:
    """Return the value of a call with its type, or its error with its message and its cause."""
    try:
        value = call(*arguments, **options)
    except StrongroomError as error:
        return type(error), str(error), error.__cause__, error.__suppress_context__
    return type(value), value


def unreachable(token: object, *_: Any, **__: Any) -> Any:
    raise AssertionError(f"the slow path got {token!r}")


class Pair:
    """A cipher with a cached data key, and its four ways of decrypting on the fast path."""

    def __init__(self, kind: str, value: Any = "sand", world: World | None = None) -> None:
        self.cipher = make(kind, world or World())
        self.one = self.cipher.field("users.email", ["user_id"], type(value))
        self.two = self.cipher.field("users.email", PAIR, type(value))
        self.token: Any = self.cipher.encrypt_field(value, {"user_id": 7})
        self.bound: Any = self.one.encrypt(value, 7)
        self.bound_twice: Any = self.two.encrypt(value, 7, 1)
        for _ in range(2):  # the first takes the slow path, and the second encodes the context
            assert self.cipher.decrypt_field(self.token, {"user_id": 7}) == value
            assert self.one.decrypt(self.bound, 7) == value
            assert self.two.decrypt(self.bound_twice, 7, 1) == value

    def ways(self, token: Any) -> Iterator[tuple[tuple[object, ...], tuple[object, ...]]]:
        """Yield what the fast and the slow path make of *token*."""
        cipher, context = self.cipher, {"user_id": 7}
        slow = cipher.decrypt_on_slow_path
        for way in ({}, {"field": "users.email"}):
            yield (
                outcome(cipher.decrypt_field, token, context, **way),
                outcome(slow, token, context, **way),
            )
        for field, bound in ((self.one, (7,)), (self.two, (7, 1))):
            expected = outcome(field.decrypt_on_slow_path, token, *bound)
            yield outcome(field.decrypt, token, *bound), expected
            batch = field.decrypt_many([token], *([each] for each in bound))
            found = batch.results[0]
            if batch.failed:
                assert expected[0] is DecryptionFailed
            else:
                yield (type(found), found), expected


def test_ways_contain_a_success_of_each() -> None:
    for kind in KINDS:
        pair = Pair(kind)
        for token, successes in ((pair.token, 1), (pair.bound, 3), (pair.bound_twice, 2)):
            found = [fast for fast, slow in pair.ways(token) if fast == slow == (str, "sand")]
            assert len(found) == successes


def mutations(token: Any) -> Iterator[Any]:
    """Yield *token* with each byte or character replaced by each other one, and cut anywhere."""
    choices = ALPHABET + OUTSIDE if isinstance(token, str) else [bytes((b,)) for b in range(256)]
    for at in range(len(token)):
        for each in choices:
            if token[at : at + 1] != each:
                yield token[:at] + each + token[at + 1 :]
        yield token[:at]
        yield token[:at] + token[at + 1 :]


@pytest.mark.parametrize("kind", KINDS)
def test_every_single_change_of_a_token_is_refused_with_the_one_message(kind: str) -> None:
    pair = Pair(kind)
    refused = outcome(pair.cipher.decrypt_on_slow_path, pair.token[:-1], {"user_id": 7})
    assert refused[0] is DecryptionFailed
    tried = list(mutations(pair.token))
    assert len(tried) > 9000
    for each in tried:
        assert outcome(pair.cipher.decrypt_field, each, {"user_id": 7}) == refused
    for each in islice(mutations(pair.bound), 0, None, 7):
        assert outcome(pair.one.decrypt, each, 7) == refused


@pytest.mark.parametrize("inserted", ["!!!!", "====", "\n\n\n\n", "++++", "AAAA", "----"])
def test_characters_inserted_into_a_text_are_refused(inserted: str) -> None:
    pair = Pair("text")
    for at in range(len(pair.token) + 1):
        token = pair.token[:at] + inserted + pair.token[at:]
        with pytest.raises(DecryptionFailed):
            pair.cipher.decrypt_field(token, {"user_id": 7})
        bound = pair.bound[:at] + inserted + pair.bound[at:]
        with pytest.raises(DecryptionFailed):
            pair.one.decrypt(bound, 7)
        assert pair.one.decrypt_many([pair.bound, bound], [7, 7]).failed == (1,)


@pytest.mark.parametrize("kind", KINDS)
def test_context_that_equals_the_last_one_is_not_taken_for_it(kind: str) -> None:
    cipher = make(kind, World())
    token = cipher.encrypt_field("sand", {"user_id": 1})
    for other in ({"user_id": True}, {"user": 1}, {"user_id": 1.0}, {"user_id": "1"}):
        for _ in range(2):
            assert cipher.decrypt_field(token, {"user_id": 1}) == "sand"
        fast = outcome(cipher.decrypt_field, token, other)
        assert fast == outcome(cipher.decrypt_on_slow_path, token, other)
        assert fast[0] in (DecryptionFailed, InvalidContext)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("context", CONTEXTS, ids=lambda each: repr(each)[:40])
def test_other_context_is_decided_as_on_the_slow_path(kind: str, context: Any) -> None:
    pair = Pair(kind)
    cipher = pair.cipher
    for token in (pair.token, pair.bound, pair.bound_twice, None, 7, ""):
        for field in (None, "users.email", "users.phone", "not valid"):
            fast = outcome(cipher.decrypt_field, token, context, field=field)
            slow = outcome(cipher.decrypt_on_slow_path, token, context, field=field)
            assert fast == slow
    if isinstance(context, dict) and len(context) == 1:
        (bound,) = context.values()
        for token in (pair.token, pair.bound):
            fast = outcome(pair.one.decrypt, token, bound)
            assert fast == outcome(pair.one.decrypt_on_slow_path, token, bound)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bound", [7, 0, -1, 2**62, 2**64, "7", "", "ü", b"7", True, UUID(int=7)])
def test_own_context_is_decrypted_without_the_slow_path(kind: str, bound: Any) -> None:
    cipher = make(kind, World())
    for context in ({"user_id": bound}, {"user_id": bound, "a": 1}, None):
        token = cipher.encrypt_field("sand", context)
        assert cipher.decrypt_field(token, context) == "sand"
        cipher.decrypt_on_slow_path = unreachable  # type: ignore[method-assign] # it must not be called
        compiled = fast_decryption.compile_decrypt_field(cipher)
        del cipher.decrypt_on_slow_path
        for _ in range(3):
            assert compiled(token, context) == "sand"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value",
    ["", "Größe 砂", b"\x00", 7, -(2**70), True, Decimal("1.10"), UUID(int=7), {"a": [1]}, []],
    ids=repr,
)
def test_value_of_each_type_has_constants_of_its_own(kind: str, value: Any) -> None:
    pair = Pair(kind, value)
    again: Any = pair.cipher.encrypt_field("dune", {"user_id": 7})
    for _ in range(3):
        assert outcome(pair.cipher.decrypt_field, pair.token, {"user_id": 7}) == (
            type(value),
            value,
        )
        assert pair.cipher.decrypt_field(again, {"user_id": 7}) == "dune"
    wrong = pair.cipher.field("users.email", ["user_id"], str if type(value) is bytes else bytes)
    assert outcome(wrong.decrypt, pair.bound, 7)[0] is DecryptionFailed or type(value) is bytes


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_tokens_under_two_cached_keys_cannot_be_swapped(kind: str) -> None:
    world = World()
    reader, writers = make(kind, world), [make(kind, world) for _ in range(2)]
    one: Any
    other: Any
    one, other = (each.encrypt_field("sand", {"user_id": 7}) for each in writers)
    assert type(one) is type(other)
    for token in (one, other, one, other):
        assert reader.decrypt_field(token, {"user_id": 7}) == "sand"
    assert len(one) == len(other)
    for cut in range(1, len(one)):
        mixed: Any = one[:cut] + other[cut:]
        if mixed not in (one, other):
            fast = outcome(reader.decrypt_field, mixed, {"user_id": 7})
            assert fast == outcome(reader.decrypt_on_slow_path, mixed, {"user_id": 7})
            assert fast[0] is DecryptionFailed


@pytest.mark.parametrize("kind", KINDS)
def test_declared_field_decrypts_tokens_of_alternating_keys(kind: str) -> None:
    world = World()
    writers = [make(kind, world).field("users.email", ["user_id"]) for _ in range(3)]
    tokens = [writers[row % 3].encrypt(f"row {row}", row) for row in range(200)]
    reader = make(kind, world)
    field = reader.field("users.email", ["user_id"])
    values = [field.decrypt(token, row) for row, token in enumerate(tokens)]
    assert values == [f"row {row}" for row in range(200)]
    assert field.decrypt_many(tokens, range(200)).values() == values
    assert len(world.service.requests) == 3 + 3
    with pytest.raises(DecryptionFailed):
        field.decrypt(tokens[1], 0)


def test_text_column_is_decrypted_as_its_rows_are() -> None:
    world = World()
    field, other = (world.text_process().field("users.email", ["user_id"]) for _ in range(2))
    tokens: list[Any] = field.encrypt_many([f"row {row}" for row in range(50)], range(50))
    values: list[Any] = [f"row {row}" for row in range(50)]
    assert field.decrypt_many(tokens, range(50)).values() == values
    assert field.decrypt_many(tokens, range(50)).values() == values
    start = len(tokens[0]) - len(tokens[0]) % 4
    for at, wrong in (
        (3, tokens[4]),
        (0, tokens[0][:-1] + "="),
        (7, tokens[7][:-1]),
        (8, tokens[8][:start]),
        (9, ""),
        (11, tokens[11][:136] + ("A" if tokens[11][136] != "A" else "B") + tokens[11][137:]),
        (49, other.encrypt("row", 1)),
    ):
        batch = field.decrypt_many([*tokens[:at], wrong, *tokens[at + 1 :]], range(50))
        assert batch.failed == (at,)
        assert batch.results == [*values[:at], None, *values[at + 1 :]]
    tokens[5] = values[5] = None
    assert field.decrypt_many(tokens, range(50)).values() == values
    tokens[6] = other.encrypt("row 6", 6)
    assert field.decrypt_many(tokens, range(50)).values() == values


@pytest.mark.parametrize("kind", KINDS)
def test_column_of_another_type_is_refused(kind: str) -> None:
    cipher = make(kind, World())
    field, other = (cipher.field("users.email", ["user_id"], each) for each in (str, bytes))
    tokens = other.encrypt_many([b"sand"] * 3, range(3))
    for _ in range(2):
        assert other.decrypt_many(tokens, range(3)).values() == [b"sand"] * 3
        assert field.decrypt_many(tokens, range(3)).failed == (0, 1, 2)
        assert outcome(field.decrypt, tokens[0], 0)[0] is DecryptionFailed


def test_token_of_version_2_takes_the_slow_path() -> None:
    world = World()
    reader = world.text_process()
    (wrapped,) = world.service.wrap([bytes(32)], reader.keyring.scope.bound)
    key = DataKey(bytes(32), wrapped, TEXT_PURPOSES[2])
    shape = envelope.Envelope(2, 1, wrapped, key.commitment, bytes(12), b"")
    sealed = key.encrypt(shape.nonce, b"sand", shape.get_associated_data() + b"\x00")
    token = shape._replace(sealed=sealed).with_wrapped_key(wrapped)
    for _ in range(2):
        assert reader.decrypt_field(token) == "sand"
    assert reader.keyring.constants == {}


def test_data_keys_of_other_lengths_alternate(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    service, tokens = world.service, []
    wrap, unwrap = service.wrap, service.unwrap
    monkeypatch.setattr(service, "unwrap", lambda keys, _: unwrap([each[:64] for each in keys], _))
    for added in (b"", b"1", b"12"):
        monkeypatch.setattr(
            service, "wrap", lambda keys, _, added=added: [each + added for each in wrap(keys, _)]
        )
        tokens.append(world.text_process().encrypt_field("sand", {"user_id": 7}))
    assert len({len(str(token)) for token in tokens}) == 3
    reader = world.text_process()
    for token in tokens * 3:
        for _ in range(3):
            assert reader.decrypt_field(token, {"user_id": 7}) == "sand"
    assert len(reader.keyring.constants) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_token_larger_than_the_fast_path_takes_is_decrypted(kind: str) -> None:
    pair = Pair(kind)
    for size in (LARGEST - 300, LARGEST, 2**20):
        token = pair.cipher.encrypt_field("a" * size, {"user_id": 7})
        assert pair.cipher.decrypt_field(token, {"user_id": 7}) == "a" * size


@given(
    kind=st.sampled_from(KINDS),
    value=st.text(max_size=40),
    edits=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 3), st.text(max_size=5)), max_size=4
    ),
)
def test_mutated_token_is_decided_as_on_the_slow_path(
    kind: str, value: str, edits: list[tuple[int, int, str]]
) -> None:
    pair = Pair(kind, value)
    for original in (pair.token, pair.bound, pair.bound_twice):
        token = original
        for place, removed, added in edits:
            at = place % (len(token) + 1)
            inserted: Any = added if kind == "text" else added.encode("utf-8", "replace")
            token = token[:at] + inserted + token[at + removed :]
        for fast, slow in pair.ways(token):
            assert fast == slow


@pytest.mark.parametrize("way", ["decrypt_field", "one", "two", "many"])
@pytest.mark.parametrize("kind", KINDS)
def test_expired_key_is_read_again(kind: str, way: str) -> None:
    world, clock = World(), Clock()
    pair = Pair(kind, world=world)
    reader = make(kind, world, clock=clock, limits=Limits(data_key_age=60))
    one, two = reader.field("users.email", ["user_id"]), reader.field("users.email", PAIR)
    decrypt: dict[str, Callable[[], Any]] = {
        "decrypt_field": lambda: reader.decrypt_field(pair.token, {"user_id": 7}),
        "one": lambda: one.decrypt(pair.bound, 7),
        "two": lambda: two.decrypt(pair.bound_twice, 7, 1),
        "many": lambda: one.decrypt_many([pair.bound], [7]).values()[0],
    }
    world.service.requests.clear()
    for now, requests in ((0, 1), (59.9, 1), (60, 2), (119.9, 2), (120, 3)):
        clock.now = now
        for _ in range(3):
            assert decrypt[way]() == "sand"
        assert world.service.requests == [("unwrap", 1)] * requests


@pytest.mark.parametrize("kind", KINDS)
def test_constants_are_dropped_with_their_key(kind: str) -> None:
    world = World()
    tokens = [make(kind, world).encrypt_field("sand") for _ in range(8)]
    reader = make(kind, world, limits=Limits(data_key_cache=3))
    for count, token in enumerate(tokens, 1):
        assert reader.decrypt_field(token) == "sand"
        assert len(reader.keyring.constants) == min(count, 3)
    keys = {id(each.key) for each in reader.keyring._read._keys.values()}
    assert {id(each[0].key) for each in reader.keyring.constants.values()} == keys
    reader.keyring.reset_after_fork()
    assert reader.keyring.constants == {}
    assert reader.decrypt_field(tokens[0]) == "sand"


def data_key() -> DataKey:
    return DataKey(os.urandom(32), bytes(64), TEXT_PURPOSES[3])


def put(cache: DataKeyCache, name: str, now: float) -> CachedKey:
    cached = cache.put(name, data_key(), now)
    cache.put_constants(name, cached, 1, f"{name} text", (cached,))
    cache.put_constants(name, cached, 2, f"{name} bytes", (cached,))
    return cached


def names(cache: DataKeyCache) -> set[object]:
    return {str(each).split()[0] for each in cache.constants}


def test_cache_keeps_a_key_that_its_constants_used() -> None:
    cache = DataKeyCache(3, 60)
    for name in "abc":
        put(cache, name, 0).was_used = name in "ab"
    put(cache, "d", 1)
    assert names(cache) == {"a", "b", "d"}
    put(cache, "e", 1)
    assert names(cache) == {"b", "d", "e"}
    assert len(cache.constants) == 6


def test_cache_evicts_the_oldest_if_all_keys_were_used() -> None:
    cache = DataKeyCache(3, 60)
    for name in "abcd":
        put(cache, name, 0).was_used = True
    assert names(cache) == {"b", "c", "d"}


def test_cache_evicts_an_expired_key_although_it_was_used() -> None:
    cache = DataKeyCache(2, 60)
    put(cache, "a", 0).was_used = True
    put(cache, "b", 30)
    put(cache, "c", 61)
    assert names(cache) == {"b", "c"}


def test_cache_stores_no_constants_of_a_key_that_it_dropped() -> None:
    cache = DataKeyCache(1, 60)
    old, same = put(cache, "a", 0), put(cache, "a", 0)
    assert [each[0] for each in cache.constants.values()] == [same, same]
    cache.put_constants("a", old, 3, "a late", (old,))
    new = put(cache, "b", 0)
    cache.put_constants("a", same, 3, "a late", (same,))
    assert [each[0] for each in cache.constants.values()] == [new, new]
    assert cache.get("b", 60) is None
    assert cache.constants == {}


def test_threads_that_decrypt_while_keys_are_evicted_get_their_values() -> None:
    world = World()
    tokens = [world.text_process().encrypt_field(f"value {n}", {"user_id": n}) for n in range(6)]
    reader = world.text_process(limits=Limits(data_key_cache=2))

    def work(first: int) -> bool:
        numbers = [(first + turn) % 6 for turn in range(300)]
        values = [reader.decrypt_field(tokens[each], {"user_id": each}) for each in numbers]
        return values == [f"value {each}" for each in numbers]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert len(reader.keyring.constants) <= 2
