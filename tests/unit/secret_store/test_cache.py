"""Tests of the cache of one store: its entries, negative entries and their limits."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterable
from threading import Event

import pytest

from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    AuthenticationFailed,
    SecretNotFound,
    StrongroomError,
    Unreachable,
)
from app_integration.secret import Secret
from app_integration.secret_store.cache import SecretCache
from app_integration.secret_store.cache_entry import (
    FAILED_RETRY,
    READ,
    REQUESTED,
    Entry,
    Key,
    current,
    keys_to_refresh,
)
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret

NOW = 1000.0
LIMITS = Limits(cache_entries=3, negative_entries=3)
A, B, C, D, E, F, AB = map(current, (*"abcdef", "ab"))
ERROR = SecretNotFound("no value at secret/data/shop/dev/a; write one")


def entry(*, ticket: int = 0, usage: int = REQUESTED, expires_at: float = math.inf) -> Entry:
    return Entry(
        FetchedSecret(Secret("v"), "vault", 1),
        *(NOW, NOW + 300, NOW + 150, expires_at),
        ticket=ticket,
        usage=usage,
    )


def cache_of(keys: Iterable[Key], limits: Limits = LIMITS) -> SecretCache:
    cache = SecretCache(limits)
    for key in keys:
        cache.put(key, entry())
    return cache


class TestPut:
    """Order of two results of the same key."""

    def test_entry_is_cached_under_its_key_alone(self) -> None:
        cache, one, old = SecretCache(LIMITS), entry(), entry()
        assert cache.put(A, one)
        assert cache.put(("a", 1, None), old)
        assert cache.entries == {A: one, ("a", 1, None): old}

    @pytest.mark.parametrize(("ticket", "stored"), [(4, False), (5, True), (6, True)])
    def test_entry_that_was_requested_earlier_is_rejected(self, ticket: int, stored: bool) -> None:
        cache, first, second = SecretCache(LIMITS), entry(ticket=5), entry(ticket=ticket)
        cache.put(A, first)
        assert cache.put(A, second) is stored
        assert cache.entries[A] is (second if stored else first)

    @pytest.mark.parametrize(("ticket", "stored"), [(4, False), (5, True), (6, True)])
    def test_entry_that_was_requested_before_a_denial_is_rejected(
        self, ticket: int, stored: bool
    ) -> None:
        cache = SecretCache(LIMITS)
        cache.remember_missing(A, ERROR, NOW, 5.0, 5)
        assert cache.put(A, entry(ticket=ticket)) is stored
        assert (A in cache.entries) is stored
        assert (cache.get_missing_error(A, NOW) is None) is stored

    @pytest.mark.parametrize(("ticket", "is_later"), [(4, False), (5, False), (6, True)])
    def test_latest_entry_is_that_of_the_later_request(self, ticket: int, is_later: bool) -> None:
        cache, own, other = SecretCache(LIMITS), entry(ticket=5), entry(ticket=ticket)
        assert cache.get_latest(A, own) is own
        cache.put(A, other)
        assert cache.get_latest(A, own) is (other if is_later else own)

    def test_error_of_a_later_request_is_raised_in_place_of_an_entry(self) -> None:
        cache = SecretCache(LIMITS)
        cache.remember_missing(A, ERROR, NOW, 5.0, 5)
        with pytest.raises(SecretNotFound) as raised:
            cache.get_latest(A, entry(ticket=4))
        assert raised.value is not ERROR

    @pytest.mark.parametrize("kind", OUTAGE)
    def test_outage_of_a_later_request_says_nothing_about_an_entry(
        self, kind: type[StrongroomError]
    ) -> None:
        cache, own = SecretCache(LIMITS), entry(ticket=4)
        cache.remember_missing(A, kind("busy"), NOW, 5.0, 5)
        assert cache.get_latest(A, own) is own
        assert cache.put(A, own)

    @pytest.mark.parametrize("ticket", [5, 6])
    def test_error_of_an_earlier_request_is_not_raised(self, ticket: int) -> None:
        cache, own = SecretCache(LIMITS), entry(ticket=ticket)
        cache.remember_missing(A, ERROR, NOW, 5.0, 5)
        assert cache.get_latest(A, own) is own

    def test_entry_replaces_a_negative_entry_of_unknown_age(self) -> None:
        cache = SecretCache(LIMITS)
        cache.remember_missing(A, ERROR, NOW, 5.0)
        assert cache.put(A, entry(ticket=0))
        assert cache.get_missing_error(A, NOW) is None


class TestEviction:
    """Eviction from a full cache."""

    @pytest.mark.parametrize(
        ("put", "kept"),
        [("abc", "abc"), ("abcd", "bcd"), ("abca", "abc")],
        ids=["at-the-limit", "above-the-limit", "key-that-is-cached"],
    )
    def test_oldest_entry_is_evicted_above_the_limit(self, put: str, kept: str) -> None:
        assert list(cache_of(map(current, put)).entries) == [*map(current, kept)]

    def test_entry_that_was_read_stays_for_one_more_turn(self) -> None:
        cache = cache_of(map(current, "abc"))
        cache.entries[A].usage = READ
        cache.put(D, entry())
        assert list(cache.entries) == [C, A, D]
        cache.put(E, entry())
        cache.put(F, entry())
        assert list(cache.entries) == [D, E, F]

    def test_entry_that_stayed_for_one_more_turn_is_still_refreshed(self) -> None:
        cache = cache_of(map(current, "abc"))
        cache.entries[A].usage = READ
        cache.put(D, entry())
        assert A in keys_to_refresh(cache.snapshot(), NOW + 150, ())

    def test_new_entry_stays_though_every_other_was_read(self) -> None:
        cache = cache_of(map(current, "abc"))
        for each in cache.entries.values():
            each.usage = READ
        cache.put(D, entry())
        assert list(cache.entries) == [B, C, D]

    @pytest.mark.parametrize("size", [0, 1, 2])
    def test_small_limit_keeps_the_latest(self, size: int) -> None:
        cache = cache_of(map(current, "abc"), Limits(cache_entries=size))
        assert list(cache.entries) == [A, B, C][3 - size :]


class TestFailure:
    """Entries of a key whose request failed."""

    KEYS: tuple[Key, ...] = (A, ("a", 1, None), B)
    OUTAGE = Unreachable("unavailable")
    DENIED = AccessDenied("denied")

    def test_entry_stays_in_a_known_outage_until_its_next_attempt(self) -> None:
        cache = cache_of(self.KEYS)
        cache.keep_or_drop(A, self.OUTAGE, NOW, NOW + 7, 1)
        assert list(cache.entries) == list(self.KEYS)
        assert (cache.entries[A].refresh_at, cache.entries[A].failed_at) == (NOW + 7, -math.inf)
        assert cache.get_missing_error(A, NOW) is None

    def test_entry_that_fails_alone_stays_and_is_requested_again_soon(self) -> None:
        cache = cache_of(self.KEYS)
        cache.keep_or_drop(A, self.OUTAGE, NOW, None, 1)
        assert cache.entries[A].refresh_at == NOW + FAILED_RETRY
        assert cache.entries[A].failed_at == NOW
        assert cache.get_missing_error(A, NOW) is None

    def test_entry_past_its_stale_limit_is_dropped_in_an_outage(self) -> None:
        cache = SecretCache(LIMITS)
        cache.put(A, entry(expires_at=NOW))
        cache.keep_or_drop(A, self.OUTAGE, NOW, NOW + 7, 1)
        assert cache.entries == {}
        assert cache.get_missing_error(A, NOW) is None

    def test_denial_drops_every_version_at_once(self) -> None:
        cache = cache_of(self.KEYS)
        cache.keep_or_drop(A, self.DENIED, NOW, None, 5)
        assert list(cache.entries) == [B]
        assert isinstance(cache.get_missing_error(A, NOW + LIMITS.negative_ttl - 1), AccessDenied)
        assert cache.get_missing_error(A, NOW + LIMITS.negative_ttl) is None
        assert not cache.put(A, entry(ticket=4))

    def test_denial_of_a_version_drops_the_current_one_too(self) -> None:
        cache = cache_of(self.KEYS)
        cache.keep_or_drop(("a", 1, None), self.DENIED, NOW, None, 1)
        assert list(cache.entries) == [B]

    @pytest.mark.parametrize(("denied", "key"), [(A, ("a", 1, None)), (("a", 1, None), A)])
    def test_denial_of_a_name_rejects_earlier_responses_of_every_version(
        self, denied: Key, key: Key
    ) -> None:
        cache, own = SecretCache(LIMITS), entry(ticket=4)
        cache.keep_or_drop(denied, self.DENIED, NOW, None, 5)
        assert not cache.put(key, own)
        with pytest.raises(AccessDenied):
            cache.get_latest(key, own)
        assert cache.put(key, entry(ticket=6))
        assert cache.get_missing_error(key, NOW) is None

    def test_late_response_of_an_earlier_request_does_not_make_a_denial_older(self) -> None:
        cache = SecretCache(LIMITS)
        cache.keep_or_drop(A, self.DENIED, NOW, None, 3)
        cache.keep_or_drop(("a", 1, None), self.DENIED, NOW, None, 1)
        assert not cache.put(("a", 2, None), entry(ticket=2))

    def test_denial_keeps_no_frame_of_its_caller(self) -> None:
        cache, caught = SecretCache(LIMITS), AccessDenied("add a rule")
        held = self.raise_and_remember(cache, caught)
        del caught
        gc.collect()
        assert held() is None

    @staticmethod
    def raise_and_remember(cache: SecretCache, error: AccessDenied) -> weakref.ref[Event]:
        request = Event()  # of the frame that asks
        try:
            raise error
        except AccessDenied as denied:
            cache.keep_or_drop(A, denied, NOW, None, 1)
        return weakref.ref(request)

    def test_denial_of_a_version_leaves_the_answer_for_the_name(self) -> None:
        cache = SecretCache(LIMITS)
        cache.keep_or_drop(A, self.DENIED, NOW, None, 1)
        cache.keep_or_drop(("a", 1, None), self.DENIED, NOW, None, 2)
        assert isinstance(cache.get_missing_error(A, NOW + LIMITS.negative_ttl - 1), AccessDenied)

    def test_absent_current_version_rejects_no_past_one(self) -> None:
        cache = SecretCache(LIMITS)
        cache.keep_or_drop(A, ERROR, NOW, None, 5)
        assert cache.put(("a", 1, None), entry(ticket=4))

    def test_absent_version_drops_itself_alone_and_is_remembered(self) -> None:
        cache = cache_of(self.KEYS)
        cache.keep_or_drop(("a", 1, None), ERROR, NOW, None, 1)
        assert list(cache.entries) == [A, B]
        assert cache.get_missing_error(("a", 1, None), NOW + LIMITS.cache_ttl - 1) is not None

    def test_name_that_is_not_cached_gets_no_negative_entry_in_a_known_outage(self) -> None:
        cache = SecretCache(LIMITS)
        cache.keep_or_drop(A, self.OUTAGE, NOW, NOW + 7, 1)
        assert cache.get_missing_error(A, NOW) is None
        cache.keep_or_drop(A, self.OUTAGE, NOW, None, 1)
        assert isinstance(cache.get_missing_error(A, NOW), Unreachable)

    def test_error_that_says_nothing_of_the_name_drops_it_without_a_negative_entry(self) -> None:
        cache = cache_of(self.KEYS)
        cache.keep_or_drop(A, AuthenticationFailed("no login"), NOW, None, 1)
        assert list(cache.entries) == list(self.KEYS[1:])
        assert cache.get_missing_error(A, NOW) is None


class TestDrop:
    """Removal of entries."""

    KEYS: tuple[Key, ...] = (A, ("a", 1, None), ("a", None, "user"), AB)

    def test_drop_removes_one_key(self) -> None:
        cache = cache_of(self.KEYS, Limits())
        cache.drop(A)
        assert list(cache.entries) == list(self.KEYS[1:])

    def test_drop_of_a_key_that_is_not_cached_changes_nothing(self) -> None:
        cache = cache_of([A])
        cache.drop(B)
        assert list(cache.entries) == [A]

    def test_drop_name_removes_every_version_and_field(self) -> None:
        cache = cache_of(self.KEYS, Limits())
        cache.drop_name("a")
        assert list(cache.entries) == [AB]

    def test_drop_name_reaches_inherited_entries(self) -> None:
        cache = cache_of(self.KEYS, Limits())
        cache.reset_after_fork()
        cache.drop_name("a")
        assert list(cache.inherited) == [AB]

    @pytest.mark.parametrize("forked", [False, True], ids=["cached", "inherited"])
    def test_purge_removes_expired_entries(self, forked: bool) -> None:
        cache = SecretCache(LIMITS)
        for name, end in (("before", NOW - 1), ("now", NOW), ("after", NOW + 0.001)):
            cache.put(current(name), entry(expires_at=end))
        if forked:
            cache.reset_after_fork()
        cache.purge(NOW)
        assert [*cache.entries, *cache.inherited] == [current("after")]

    def test_clear_removes_everything(self) -> None:
        cache = cache_of([A])
        cache.reset_after_fork()
        cache.put(B, entry())
        cache.remember_missing(C, ERROR, NOW, 5.0)
        cache.clear()
        assert (cache.entries, cache.inherited, cache.get_missing_error(C, NOW)) == ({}, {}, None)


class TestFork:
    """Entries that a forked child inherits."""

    def test_child_adopts_what_it_inherited_once(self) -> None:
        cache = cache_of(map(current, "ab"))
        parents = dict(cache.entries)
        cache.reset_after_fork()
        assert (cache.entries, cache.inherited) == ({}, parents)
        assert cache.adopt_inherited()
        assert (cache.entries, cache.inherited) == (parents, {})
        assert not cache.adopt_inherited()
        assert cache.entries == parents

    def test_value_that_the_child_fetched_itself_stays(self) -> None:
        cache, own = cache_of(map(current, "ab")), entry()
        cache.reset_after_fork()
        cache.put(A, own)
        assert cache.adopt_inherited()
        assert cache.entries[A] is own
        assert set(cache.entries) == {A, B}

    def test_grandchild_inherits_what_the_child_did_not_adopt(self) -> None:
        cache, own = cache_of(map(current, "ab")), entry()
        cache.reset_after_fork()
        cache.put(A, own)
        cache.reset_after_fork()
        assert set(cache.inherited) == {A, B}
        assert cache.inherited[A] is own

    def test_lock_that_the_parent_held_does_not_stop_the_child(self) -> None:
        cache = SecretCache(LIMITS)
        cache._lock.acquire()
        cache.reset_after_fork()
        assert cache._lock.acquire(blocking=False)


class TestNegativeEntries:
    """Negative entries of names without a value."""

    @pytest.mark.parametrize(
        ("now", "answers"),
        [
            pytest.param(NOW - 0.001, False, id="clock-set-back"),
            pytest.param(NOW, True, id="at-once"),
            pytest.param(NOW + 4.999, True, id="before-its-end"),
            pytest.param(NOW + 5.0, False, id="at-its-end"),
        ],
    )
    def test_negative_entry_answers_for_its_ttl(self, now: float, answers: bool) -> None:
        cache = SecretCache(LIMITS)
        cache.remember_missing(A, ERROR, NOW, 5.0)
        assert (cache.get_missing_error(A, now) is not None) is answers

    @pytest.mark.parametrize("key", [B, ("a", 1, None)], ids=["name", "version"])
    def test_negative_entry_answers_for_its_key_alone(self, key: Key) -> None:
        cache = SecretCache(LIMITS)
        cache.remember_missing(A, ERROR, NOW, 5.0)
        assert cache.get_missing_error(key, NOW) is None

    @pytest.mark.parametrize("kind", [SecretNotFound, AccessDenied])
    def test_remembered_error_has_the_same_message_and_no_traceback(
        self, kind: type[StrongroomError]
    ) -> None:
        cache = SecretCache(LIMITS)
        with pytest.raises(kind) as caught:
            raise kind("add a rule")
        caught.value.hint = "of the login"  # type: ignore[attr-defined] # AccessDenied has it
        cache.remember_missing(A, caught.value, NOW, 5.0)
        one, two = cache.get_missing_error(A, NOW), cache.get_missing_error(A, NOW)
        assert type(one) is kind
        assert str(one) == "add a rule"
        assert one.__traceback__ is None
        assert vars(one) == {"hint": "of the login"}
        assert one is not two

    @pytest.mark.parametrize(
        ("names", "limit", "kept"),
        [("abcd", 3, "bcd"), ("abc", 3, "abc"), ("abcad", 3, "acd"), ("a", 0, "")],
        ids=["above-the-limit", "at-the-limit", "missing-again", "limit-of-zero"],
    )
    def test_oldest_negative_entry_is_removed_above_the_limit(
        self, names: str, limit: int, kept: str
    ) -> None:
        cache = SecretCache(Limits(negative_entries=limit))
        for name in names:
            cache.remember_missing(current(name), ERROR, NOW, 5.0)
        remembered = [each for each in "abcd" if cache.get_missing_error(current(each), NOW)]
        assert remembered == list(kept)


class TestReading:
    """Methods that the background thread reads the cache with."""

    def test_snapshot_does_not_follow_later_changes(self) -> None:
        cache, one = SecretCache(LIMITS), entry()
        cache.put(A, one)
        before = cache.snapshot()
        cache.clear()
        assert before == [(A, one)]

    def test_uncached_names_are_those_without_a_current_value(self) -> None:
        cache = cache_of([B, ("a", 1, None)])
        assert cache.find_uncached(["c", "b", "a"]) == ["c", "a"]
