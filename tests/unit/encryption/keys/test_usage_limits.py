"""Test the limits of a data key: messages, bytes and time, at each bound."""

from __future__ import annotations

import math

import pytest

from app_integration.encryption.keys.usage_limits import BATCH, UsageLimits

LARGE = 16 * BATCH + 1  # messages: the least of which a tenth is kept for the successor
TENTH = LARGE // 10


def limits_of(messages: int, *, age: float = 100, stored: bool = False) -> UsageLimits:
    """Return the limits of a key that was generated at 1000 s, with one byte per message."""
    return UsageLimits(messages=messages, size=messages, now=1000, age=age, stored=stored)


def consume_all(limits: UsageLimits, now: float = 1000) -> int:
    """Count every message that is left, as the fast path does, and return their number.

    Stops at one too many, so that a limit that never ends fails its test instead of hanging it.
    """
    for count in range(limits.total + 1):
        try:
            limits.consume_one()
        except StopIteration:
            if not limits.consume(1, now):
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
    def test_limits_of_messages_and_bytes_are_never_exceeded(
        self, messages: int, size: int, unit: int, total: int
    ) -> None:
        limits = UsageLimits(messages=messages, size=size, now=0, age=1)
        assert (limits.message_size, limits.total) == (unit, total)
        assert consume_all(limits, 0) == total

    @pytest.mark.parametrize("total", [1, 2, BATCH, BATCH + 1, 2 * BATCH + 5])
    def test_single_messages_are_counted_until_none_is_left(self, total: int) -> None:
        limits = limits_of(total)
        assert consume_all(limits) == total
        assert not limits.consume(1, 1000)

    def test_fast_path_counts_one_batch_before_it_needs_consume(self) -> None:
        limits = limits_of(2 * BATCH)
        with pytest.raises(StopIteration):
            limits.consume_one()
        assert limits.consume(1, 1000)
        for _ in range(BATCH - 1):
            limits.consume_one()
        with pytest.raises(StopIteration):
            limits.consume_one()

    @pytest.mark.parametrize(
        ("total", "batches"),
        [(10, [2]), (10, [9]), (10, [10]), (5000, [1, 2]), (5000, [1, 4999])],
        ids=["few", "all but one", "all", "few of a reserved batch", "rest of a reserved batch"],
    )
    def test_several_messages_are_consumed_at_once_also_of_the_reserved_batch(
        self, total: int, batches: list[int]
    ) -> None:
        limits = limits_of(total)
        assert all(limits.consume(messages, 1000) for messages in batches)
        assert consume_all(limits) == total - sum(batches)

    def test_consume_of_too_many_messages_counts_nothing(self) -> None:
        limits = limits_of(10)
        assert not limits.consume(11, 1000)
        assert consume_all(limits) == 10

    def test_messages_of_a_reclaimed_batch_are_not_counted_twice(self) -> None:
        limits = limits_of(10)
        assert limits.consume(1, 1000)
        assert not limits.consume(10, 1000)
        with pytest.raises(StopIteration):
            limits.consume_one()
        assert consume_all(limits) == 9


class TestTime:
    """Expiry of a key, and its renewal before that."""

    def test_expired_key_encrypts_nothing(self) -> None:
        limits = limits_of(10)
        assert limits.expires_at == 1100
        assert limits.is_usable(1099.9)
        assert not limits.is_usable(1100)
        assert not limits.consume(1, 1100)
        assert not limits.consume(2, 1100)
        assert limits.consume(1, 1099.9)

    def test_key_is_usable_while_a_message_is_left(self) -> None:
        limits = limits_of(2)
        assert limits.is_usable(1000)
        assert limits.consume(1, 1000)
        assert limits.is_usable(1000)  # the last message is in the grant
        assert limits.consume(1, 1000)
        assert not limits.is_usable(1000)

    def test_renewal_is_due_after_nine_tenths_of_the_age(self) -> None:
        limits = limits_of(10)
        assert limits.fast_path_until == 1090
        assert not limits.claim_renewal(1089.9)
        assert limits.claim_renewal(1090)

    def test_renewal_is_due_again_after_a_minute(self) -> None:
        limits = limits_of(10, age=1000)
        assert limits.claim_renewal(1900)
        assert limits.fast_path_until == 1960
        assert not limits.claim_renewal(1959.9)
        assert limits.claim_renewal(1960)

    def test_renewal_is_due_again_no_later_than_the_expiry(self) -> None:
        limits = limits_of(10)
        assert limits.claim_renewal(1095)
        assert limits.fast_path_until == limits.expires_at == 1100

    def test_renewal_is_due_when_less_than_a_tenth_is_left(self) -> None:
        limits = limits_of(LARGE)
        assert limits.consume(LARGE - TENTH, 1000)
        assert not limits.claim_renewal(1000)
        assert limits.consume(2, 1000)
        assert limits.claim_renewal(1000)

    def test_renewal_is_due_again_when_half_of_the_rest_is_left(self) -> None:
        limits = limits_of(LARGE)
        assert limits.consume(LARGE - TENTH + 1, 1000)
        assert limits.claim_renewal(1000)
        assert not limits.claim_renewal(1000)
        assert limits.consume(TENTH - 1 - TENTH // 2, 1000)
        assert not limits.claim_renewal(1000)
        assert limits.consume(2, 1000)
        assert limits.claim_renewal(1000)

    def test_key_of_few_messages_is_not_renewed_ahead(self) -> None:
        limits = limits_of(LARGE - 1)
        assert limits.consume(LARGE - 1, 1000)
        assert not limits.claim_renewal(1000)


class TestStored:
    """A key that encrypts only while it is known to be stored."""

    def test_key_without_a_store_is_never_checked(self) -> None:
        limits = limits_of(10, age=math.inf)
        assert not limits.needs_check(10**9)
        assert not limits.claim_check(10**9)
        assert limits.consume(1, 10**9)

    def test_stored_key_encrypts_for_a_minute_without_a_check(self) -> None:
        limits = limits_of(10, stored=True)
        assert limits.is_usable(1059.9)
        assert not limits.needs_check(1059.9)
        assert limits.consume(1, 1059.9)
        assert limits.needs_check(1060)
        assert not limits.is_usable(1060)
        assert not limits.consume(1, 1060)

    def test_checked_key_encrypts_for_another_minute(self) -> None:
        limits = limits_of(10, stored=True)
        limits.note_stored(1030)
        assert limits.fast_path_until == 1060
        assert limits.consume(1, 1089.9)
        assert not limits.consume(1, 1090)

    def test_expired_key_needs_no_check(self) -> None:
        limits = limits_of(10, stored=True)
        assert limits.needs_check(1099.9)
        assert not limits.needs_check(1100)

    def test_check_is_due_after_half_a_minute_and_again_5_seconds_later(self) -> None:
        limits = limits_of(10, stored=True)
        assert limits.fast_path_until == 1030
        assert not limits.claim_check(1029.9)
        assert limits.claim_check(1030)
        assert limits.fast_path_until == 1035
        assert not limits.claim_check(1034.9)
        assert limits.claim_check(1035)

    def test_check_is_due_again_when_the_last_one_is_no_longer_valid(self) -> None:
        limits = limits_of(10, stored=True)
        assert limits.claim_check(1058)
        assert limits.fast_path_until == 1060

    @pytest.mark.parametrize(("age", "fast_path_until"), [(10, 1009), (100, 1030)])
    def test_fast_path_ends_at_the_earlier_of_check_and_renewal(
        self, age: float, fast_path_until: float
    ) -> None:
        limits = limits_of(10, age=age, stored=True)
        assert limits.fast_path_until == fast_path_until
        limits.note_stored(1000)
        assert limits.fast_path_until == fast_path_until

    def test_later_check_keeps_an_earlier_renewal(self) -> None:
        limits = limits_of(10, age=36, stored=True)
        assert limits.fast_path_until == 1030
        assert limits.claim_check(1030)
        assert limits.fast_path_until == 1000 + 36 * 0.9

    def test_later_renewal_keeps_an_earlier_check(self) -> None:
        limits = limits_of(10, age=20, stored=True)
        assert limits.claim_renewal(1018)
        assert limits.fast_path_until == 1020
        limits = limits_of(10, age=200, stored=True)
        assert limits.claim_renewal(1180)
        assert limits.fast_path_until == 1030


def test_closed_key_encrypts_nothing() -> None:
    limits = limits_of(10, stored=True)
    assert limits.consume(1, 1000)
    limits.close()
    with pytest.raises(StopIteration):
        limits.consume_one()
    assert not limits.consume(1, 1000)
    assert not limits.consume(2, 1000)
    assert not limits.is_usable(1000)
    assert not limits.needs_check(1060)
    assert limits.fast_path_until == limits.expires_at == -math.inf
