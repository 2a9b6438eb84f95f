"""Test the limits of a data key: messages, bytes and time, at each bound."""

from __future__ import annotations

import math

import pytest

from app_integration.encryption.keys.usage_limits import BATCH, UsageLimits

LARGE = 16 * BATCH + 1  # messages: the least of which a tenth is kept for the successor
TENTH = LARGE // 10


def limits_of(messages: int, *, age: float = 100, stored: bool = False) -> UsageLimits:
    """Return the limits of a key that was made at 1000 s, one byte to each message."""
    return UsageLimits(messages=messages, size=messages, now=1000, age=age, stored=stored)


def rest(limits: UsageLimits, now: float = 1000) -> int:
    """Take every message that is left, as the fast path does, and return how many there were.

    Stops at one too many, so that a limit that never ends fails its test instead of hanging it.
    """
    for count in range(limits.total + 1):
        try:
            limits.take()
        except StopIteration:
            if not limits.spend(1, now):
                return count
    return limits.total + 1


class TestCounting:
    """Messages, and bytes counted in messages."""

    @pytest.mark.parametrize(
        ("messages", "size", "unit", "total"),
        [
            (10, 100, 10, 10),
            (10, 109, 10, 10),
            (10, 10, 1, 10),
            (10, 9, 1, 9),
            (10, 1, 1, 1),
            (3, 8, 2, 3),
            (1, 7, 7, 1),
        ],
    )
    def test_neither_bound_is_ever_passed(
        self, messages: int, size: int, unit: int, total: int
    ) -> None:
        limits = UsageLimits(messages=messages, size=size, now=0, age=1)
        assert (limits.unit, limits.total) == (unit, total)
        assert rest(limits, 0) == total

    @pytest.mark.parametrize("total", [1, 2, BATCH, BATCH + 1, 2 * BATCH + 5])
    def test_single_messages_are_granted_until_none_is_left(self, total: int) -> None:
        limits = limits_of(total)
        assert rest(limits) == total
        assert not limits.spend(1, 1000)

    def test_the_fast_path_has_a_batch_and_no_more_before_it_must_ask(self) -> None:
        limits = limits_of(2 * BATCH)
        with pytest.raises(StopIteration):
            limits.take()
        assert limits.spend(1, 1000)
        for _ in range(BATCH - 1):
            limits.take()
        with pytest.raises(StopIteration):
            limits.take()

    @pytest.mark.parametrize("messages", [2, 9, 10])
    def test_several_messages_are_taken_at_once(self, messages: int) -> None:
        limits = limits_of(10)
        assert limits.spend(messages, 1000)
        assert rest(limits) == 10 - messages

    def test_more_messages_than_are_left_take_nothing(self) -> None:
        limits = limits_of(10)
        assert not limits.spend(11, 1000)
        assert rest(limits) == 10

    @pytest.mark.parametrize("messages", [2, 4999])
    def test_several_messages_may_use_what_was_granted_singly(self, messages: int) -> None:
        limits = limits_of(5000)
        assert limits.spend(1, 1000)
        assert limits.spend(messages, 1000)
        assert rest(limits) == 5000 - 1 - messages

    def test_messages_taken_back_from_the_grant_are_not_given_twice(self) -> None:
        limits = limits_of(10)
        assert limits.spend(1, 1000)
        assert not limits.spend(10, 1000)
        with pytest.raises(StopIteration):
            limits.take()
        assert rest(limits) == 9


class TestTime:
    """The end of a key, and its successor ahead of it."""

    def test_nothing_is_encrypted_from_the_end_on(self) -> None:
        limits = limits_of(10)
        assert limits.expires == 1100
        assert limits.open(1099.9)
        assert not limits.open(1100)
        assert not limits.spend(1, 1100)
        assert not limits.spend(2, 1100)
        assert limits.spend(1, 1099.9)

    def test_a_key_is_open_while_a_message_is_left(self) -> None:
        limits = limits_of(2)
        assert limits.open(1000)
        assert limits.spend(1, 1000)
        assert limits.open(1000)  # the last message is in the grant
        assert limits.spend(1, 1000)
        assert not limits.open(1000)

    def test_a_successor_is_due_after_nine_tenths_of_the_time(self) -> None:
        limits = limits_of(10)
        assert limits.renew == 1090
        assert not limits.due(1089.9)
        assert limits.due(1090)

    def test_a_successor_is_due_again_after_a_minute(self) -> None:
        limits = limits_of(10, age=1000)
        assert limits.due(1900)
        assert limits.renew == 1960
        assert not limits.due(1959.9)
        assert limits.due(1960)

    def test_a_successor_is_due_again_at_the_end_at_the_latest(self) -> None:
        limits = limits_of(10)
        assert limits.due(1095)
        assert limits.renew == limits.expires == 1100

    def test_a_successor_is_due_when_less_than_a_tenth_is_left(self) -> None:
        limits = limits_of(LARGE)
        assert limits.spend(LARGE - TENTH, 1000)
        assert not limits.due(1000)
        assert limits.spend(2, 1000)
        assert limits.due(1000)

    def test_a_successor_is_due_again_when_half_of_that_is_left(self) -> None:
        limits = limits_of(LARGE)
        assert limits.spend(LARGE - TENTH + 1, 1000)
        assert limits.due(1000)
        assert not limits.due(1000)
        assert limits.spend(TENTH - 1 - TENTH // 2, 1000)
        assert not limits.due(1000)
        assert limits.spend(2, 1000)
        assert limits.due(1000)

    def test_a_key_of_few_messages_has_no_successor_ahead_of_its_end(self) -> None:
        limits = limits_of(LARGE - 1)
        assert limits.spend(LARGE - 1, 1000)
        assert not limits.due(1000)


class TestStored:
    """A key that encrypts only while it is known to be stored."""

    def test_a_key_that_needs_no_store_is_never_looked_at(self) -> None:
        limits = limits_of(10, age=math.inf)
        assert not limits.unproven(10**9)
        assert not limits.check_due(10**9)
        assert limits.spend(1, 10**9)

    def test_a_stored_key_encrypts_for_a_minute_without_being_seen(self) -> None:
        limits = limits_of(10, stored=True)
        assert limits.open(1059.9)
        assert not limits.unproven(1059.9)
        assert limits.spend(1, 1059.9)
        assert limits.unproven(1060)
        assert not limits.open(1060)
        assert not limits.spend(1, 1060)

    def test_a_stored_key_that_was_seen_encrypts_for_another_minute(self) -> None:
        limits = limits_of(10, stored=True)
        limits.proven(1030)
        assert limits.renew == 1060
        assert limits.spend(1, 1089.9)
        assert not limits.spend(1, 1090)

    def test_a_key_past_its_end_is_not_looked_for(self) -> None:
        limits = limits_of(10, stored=True)
        assert limits.unproven(1099.9)
        assert not limits.unproven(1100)

    def test_a_look_is_due_after_half_a_minute_and_again_5_seconds_later(self) -> None:
        limits = limits_of(10, stored=True)
        assert limits.renew == 1030
        assert not limits.check_due(1029.9)
        assert limits.check_due(1030)
        assert limits.renew == 1035
        assert not limits.check_due(1034.9)
        assert limits.check_due(1035)

    def test_a_look_is_due_again_when_the_key_counts_no_longer_as_stored(self) -> None:
        limits = limits_of(10, stored=True)
        assert limits.check_due(1058)
        assert limits.renew == 1060

    @pytest.mark.parametrize(("age", "renew"), [(10, 1009), (100, 1030)])
    def test_the_fast_path_asks_at_the_earlier_of_look_and_successor(
        self, age: float, renew: float
    ) -> None:
        limits = limits_of(10, age=age, stored=True)
        assert limits.renew == renew
        limits.proven(1000)
        assert limits.renew == renew

    def test_a_look_that_follows_leaves_an_earlier_successor_in_force(self) -> None:
        limits = limits_of(10, age=36, stored=True)
        assert limits.renew == 1030
        assert limits.check_due(1030)
        assert limits.renew == 1000 + 36 * 0.9

    def test_a_successor_that_follows_leaves_an_earlier_look_in_force(self) -> None:
        limits = limits_of(10, age=20, stored=True)
        assert limits.due(1018)
        assert limits.renew == 1020
        limits = limits_of(10, age=200, stored=True)
        assert limits.due(1180)
        assert limits.renew == 1030


def test_a_closed_key_encrypts_nothing_more() -> None:
    limits = limits_of(10, stored=True)
    assert limits.spend(1, 1000)
    limits.close()
    with pytest.raises(StopIteration):
        limits.take()
    assert not limits.spend(1, 1000)
    assert not limits.spend(2, 1000)
    assert not limits.open(1000)
    assert not limits.unproven(1060)
    assert limits.renew == limits.expires == -math.inf
