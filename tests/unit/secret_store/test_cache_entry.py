"""Tests of the rules for one cached value at each boundary: its TTL, staleness and refresh."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from app_integration._internal.backoff import BACKOFF_MIN
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    AuthenticationFailed,
    SecretNotFound,
    StrongroomError,
    Unreachable,
)
from app_integration.secret import Secret
from app_integration.secret_store.cache_entry import (
    FALLBACK_TTL,
    READ,
    REQUESTED,
    UNUSED,
    Entry,
    Key,
    SecretInfo,
    build_entry,
    current,
    info_of,
    is_backing_off,
    is_fresh,
    is_newer,
    is_served_stale,
    is_usable_on_outage,
    keys_to_refresh,
    negative_ttl,
    next_refresh,
    previous_version,
)
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret, Following, Preceding
from app_integration.sources.outage import OUTAGE_BACKOFF

NOW = 1000.0
A, B, C, D = map(current, "abcd")
LIMITS = Limits(cache_ttl=300.0, stale_limit=3600.0, negative_ttl=5.0)
FETCHED = FetchedSecret(Secret("one"), "vault", version=3, created_at=NOW)
#: Fetched at 1000, fresh until 1100, refreshed from 1075, expired at 1200.
ENTRY = Entry(FETCHED, fetched_at=NOW, fresh_until=1100.0, refresh_at=1075.0, expires_at=1200.0)


class TestEntryOf:
    """Times of a new entry."""

    def test_value_is_fresh_for_its_ttl_and_stale_up_to_the_limit(self) -> None:
        entry = build_entry(FETCHED, NOW, 300.0, LIMITS, jitter=0.5)
        assert entry.fetched is FETCHED
        assert (entry.fetched_at, entry.fresh_until, entry.expires_at) == (NOW, 1300.0, 4600.0)
        assert not entry.is_fallback

    @pytest.mark.parametrize(
        ("ttl", "jitter", "seconds"),
        [
            pytest.param(300.0, 0.0, 150.0, id="earliest"),
            pytest.param(300.0, 0.5, 220.0, id="middle"),
            pytest.param(300.0, 1.0, 300.0 - LIMITS.deadline, id="latest"),
            pytest.param(20.0, 1.0, 15.0, id="latest-of-a-short-ttl"),
        ],
    )
    def test_refresh_comes_after_half_the_ttl_and_a_deadline_before_its_end(
        self, ttl: float, jitter: float, seconds: float
    ) -> None:
        entry = build_entry(FETCHED, NOW, ttl, LIMITS, jitter=jitter)
        assert entry.refresh_at == NOW + seconds

    def test_ttl_beyond_the_stale_limit_is_kept(self) -> None:
        entry = build_entry(FETCHED, NOW, 7200.0, LIMITS, jitter=0.0)
        assert entry.fresh_until == entry.expires_at == NOW + 7200.0

    @pytest.mark.parametrize(
        ("expires_in", "seconds"),
        [
            pytest.param(60.0, 60.0, id="before-the-ttl"),
            pytest.param(0.0, 0.0, id="already-expired"),
            pytest.param(900.0, 300.0, id="after-the-ttl"),
        ],
    )
    def test_value_that_expires_is_never_served_stale(
        self, expires_in: float, seconds: float
    ) -> None:
        fetched = replace(FETCHED, expires_in=expires_in)
        entry = build_entry(fetched, NOW, 300.0, LIMITS, jitter=1.0)
        assert entry.fresh_until == entry.expires_at == NOW + seconds

    @pytest.mark.parametrize(
        ("ttl", "expires_in", "seconds"),
        [
            pytest.param(300.0, None, FALLBACK_TTL, id="long-ttl"),
            pytest.param(10.0, None, 10.0, id="short-ttl"),
            pytest.param(300.0, 20.0, 20.0, id="expires"),
        ],
    )
    def test_fallback_is_served_briefly_and_never_stale(
        self, ttl: float, expires_in: float | None, seconds: float
    ) -> None:
        fetched = replace(FETCHED, expires_in=expires_in)
        entry = build_entry(fetched, NOW, ttl, LIMITS, jitter=0.0, is_fallback=True)
        assert entry.fresh_until == entry.expires_at == NOW + seconds
        assert entry.is_fallback


#: A clock may be set back, so no rule trusts a time before the entry.
SPAN = [
    pytest.param(NOW - 0.001, False, id="before"),
    pytest.param(NOW, True, id="at-the-start"),
]


@pytest.mark.parametrize(("now", "expected"), [*SPAN, (1099.999, True), (1100.0, False)])
def test_entry_is_fresh_until_its_ttl_ends(now: float, expected: bool) -> None:
    assert is_fresh(ENTRY, now) is expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [*SPAN, (NOW + OUTAGE_BACKOFF - 0.001, True), (NOW + OUTAGE_BACKOFF, False)],
)
def test_backoff_after_an_outage_lasts_its_seconds(now: float, expected: bool) -> None:
    assert is_backing_off(NOW, now) is expected


class TestIsServedStale:
    """Serving a stale entry without a request."""

    @pytest.mark.parametrize(
        ("since", "now", "expected"),
        [
            pytest.param(1150.0, 1149.0, False, id="before-the-outage"),
            pytest.param(1150.0, 1150.0, True, id="at-the-outage"),
            pytest.param(1150.0, 1150.0 + OUTAGE_BACKOFF, False, id="after-the-backoff"),
            pytest.param(1190.0, 1199.0, True, id="before-its-end"),
            pytest.param(1190.0, 1200.0, False, id="at-its-end"),
            pytest.param(990.0, 999.0, False, id="before-it-was-fetched"),
            pytest.param(990.0, 1000.0, True, id="as-it-was-fetched"),
        ],
    )
    def test_entry_is_served_stale_during_the_backoff_until_it_expires(
        self, since: float, now: float, expected: bool
    ) -> None:
        assert is_served_stale(replace(ENTRY, failed_at=since), now, is_outage=False) is expected

    def test_entry_without_an_outage_is_not_served_stale(self) -> None:
        assert not is_served_stale(ENTRY, 1150.0, is_outage=False)

    @pytest.mark.parametrize(("now", "expected"), [(999.0, False), (1199.9, True), (1200.0, False)])
    def test_entry_is_served_stale_in_a_known_outage_until_it_expires(
        self, now: float, expected: bool
    ) -> None:
        assert is_served_stale(ENTRY, now, is_outage=True) is expected


class TestOutage:
    """Effect of a source's error on the cached value and on other keys."""

    @pytest.mark.parametrize("kind", OUTAGE)
    def test_entry_is_usable_on_every_kind_of_outage(self, kind: type[StrongroomError]) -> None:
        assert is_usable_on_outage(ENTRY, kind("unavailable"), 1150.0)

    @pytest.mark.parametrize("kind", [AccessDenied, SecretNotFound, AuthenticationFailed])
    def test_entry_is_not_usable_after_an_answer_of_the_server(
        self, kind: type[StrongroomError]
    ) -> None:
        assert not is_usable_on_outage(ENTRY, kind("no"), 1150.0)

    @pytest.mark.parametrize(("now", "expected"), [*SPAN, (1199.999, True), (1200.0, False)])
    def test_entry_is_usable_until_it_expires(self, now: float, expected: bool) -> None:
        assert is_usable_on_outage(ENTRY, Unreachable("unavailable"), now) is expected


class TestKeysToRefresh:
    """Choice of the entries that the background thread refreshes."""

    @pytest.mark.parametrize(("now", "expected"), [(1074.999, []), (1075.0, [A]), (1300.0, [A])])
    def test_entry_in_use_is_refreshed_from_refresh_at_on(
        self, now: float, expected: list[Key]
    ) -> None:
        assert keys_to_refresh([(A, replace(ENTRY, usage=READ))], now, ()) == expected

    @pytest.mark.parametrize(
        ("usage", "watched", "expected"),
        [
            pytest.param(UNUSED, (), False, id="unused"),
            pytest.param(REQUESTED, (), True, id="requested"),
            pytest.param(READ, (), True, id="read"),
            pytest.param(UNUSED, ("a",), True, id="watched"),
            pytest.param(UNUSED, ("b",), False, id="another-is-watched"),
        ],
    )
    def test_entry_that_is_neither_used_nor_watched_is_not_refreshed(
        self, usage: int, watched: tuple[str, ...], expected: bool
    ) -> None:
        assert (
            bool(keys_to_refresh([(A, replace(ENTRY, usage=usage))], 1075.0, watched)) is expected
        )

    def test_old_version_of_a_watched_name_is_not_refreshed(self) -> None:
        key = ("a", 2, None)
        assert keys_to_refresh([(key, ENTRY)], 1075.0, ("a",)) == []
        assert keys_to_refresh([(key, replace(ENTRY, usage=READ))], 1075.0, ()) == [key]

    def test_entry_that_is_longest_overdue_comes_first(self) -> None:
        used = replace(ENTRY, usage=READ)
        first, later = (replace(used, refresh_at=at) for at in (1070.0, 1080.0))
        entries = [(C, used), (A, later), (B, used), (D, first)]
        assert keys_to_refresh(entries, 1075.0, ()) == [D, C, B]


class TestNextRefresh:
    """Seconds for which the background thread may sleep."""

    def test_thread_sleeps_without_anything_cached_or_to_retry(self) -> None:
        assert next_refresh([], NOW) == math.inf

    @pytest.mark.parametrize(
        ("now", "seconds"),
        [
            pytest.param(1000.0, 75.0, id="until-the-refresh"),
            pytest.param(1074.0, 1.0, id="just-before-the-refresh"),
            pytest.param(1075.0, 125.0, id="past-the-refresh-until-the-end"),
            pytest.param(1199.0, 1.0, id="just-before-the-end"),
            pytest.param(1200.0, 0.0, id="at-the-end"),
            pytest.param(1300.0, 0.0, id="past-the-end"),
        ],
    )
    def test_thread_wakes_for_the_refresh_and_for_the_expiry_of_an_entry(
        self, now: float, seconds: float
    ) -> None:
        assert next_refresh([(A, ENTRY)], now) == seconds

    def test_earliest_entry_counts(self) -> None:
        entries = [(A, ENTRY), (B, replace(ENTRY, refresh_at=1010.0)), (C, ENTRY)]
        assert next_refresh(entries, NOW) == 10.0

    @pytest.mark.parametrize(
        ("retry_at", "seconds"),
        [
            pytest.param(1030.0, 30.0, id="before-the-refresh"),
            pytest.param(1090.0, 75.0, id="after-the-refresh"),
            pytest.param(990.0, 0.0, id="overdue"),
            pytest.param(-math.inf, 0.0, id="never-tried"),
        ],
    )
    def test_retry_of_a_name_without_a_value_counts_too(
        self, retry_at: float, seconds: float
    ) -> None:
        assert next_refresh([(A, ENTRY)], NOW, retry_at) == seconds


@pytest.mark.parametrize(
    ("key", "seconds"),
    [
        pytest.param(A, LIMITS.negative_ttl, id="current"),
        pytest.param(("a", None, "user"), LIMITS.negative_ttl, id="field"),
        pytest.param(("a", 2, None), LIMITS.cache_ttl, id="version"),
        pytest.param(("a", 2, "user"), LIMITS.cache_ttl, id="field-of-a-version"),
        pytest.param(("a", Preceding("id"), None), LIMITS.cache_ttl, id="preceding-version"),
        pytest.param(("a", Following("id"), None), LIMITS.negative_ttl, id="following-version"),
        pytest.param(("a", "AWSPENDING", None), LIMITS.negative_ttl, id="label"),
    ],
)
def test_negative_entry_of_a_past_version_answers_longer(key: Key, seconds: float) -> None:
    for kind in (AccessDenied, SecretNotFound):
        assert negative_ttl(key, kind("no"), LIMITS) == seconds
    assert negative_ttl(key, Unreachable("x"), LIMITS) == BACKOFF_MIN
    assert negative_ttl(key, AuthenticationFailed("x"), LIMITS) == 0.0


@pytest.mark.parametrize(
    ("fetched", "expected"),
    [
        pytest.param(replace(FETCHED, request_id="r-2", created_at=None), False, id="same"),
        pytest.param(replace(FETCHED, version=4), True, id="another-version"),
        pytest.param(replace(FETCHED, value=Secret("two")), True, id="another-value"),
    ],
)
def test_fetched_value_is_newer_by_version_or_by_value(
    fetched: FetchedSecret, expected: bool
) -> None:
    assert is_newer(fetched, FETCHED) is expected


class TestPreviousVersion:
    """Previous version that is still accepted beside the current one."""

    @pytest.mark.parametrize(
        ("version", "expected"),
        [
            pytest.param(3, 2, id="third"),
            pytest.param(2, 1, id="second"),
            pytest.param(1, None, id="first"),
            pytest.param(None, None, id="without-versions"),
        ],
    )
    def test_previous_version_is_the_one_before_the_current(
        self, version: int | None, expected: int | None
    ) -> None:
        assert previous_version(replace(FETCHED, version=version), None, NOW) == expected

    @pytest.mark.parametrize(
        ("age", "expected"), [(0.0, 2), (60.0, 2), (60.001, None)], ids=["new", "last", "past"]
    )
    def test_grace_ends_after_its_seconds(self, age: float, expected: int | None) -> None:
        assert previous_version(FETCHED, 60.0, NOW + age) == expected

    @pytest.mark.parametrize(("grace", "expected"), [(None, 2), (60.0, None)], ids=["no", "yes"])
    def test_version_of_unknown_age_is_outside_any_grace(
        self, grace: float | None, expected: int | None
    ) -> None:
        fetched = replace(FETCHED, created_at=None)
        assert previous_version(fetched, grace, NOW) == expected

    def test_value_that_expires_has_no_previous_version(self) -> None:
        assert previous_version(replace(FETCHED, expires_in=60.0), None, NOW) is None


class TestInfoOf:
    """Metadata of a cached secret that an application may show."""

    def test_info_holds_source_version_and_times(self) -> None:
        assert info_of("jwt", ENTRY, 1025.0) == SecretInfo(
            name="jwt", source="vault", version=3, age=25.0, stale=False, next_refresh=50.0
        )

    def test_info_past_its_ttl_is_stale_and_its_refresh_overdue(self) -> None:
        info = info_of("jwt", ENTRY, 1100.0)
        assert (info.stale, info.age, info.next_refresh) == (True, 100.0, 0.0)
