"""Access to the page: the token works once and in time, and the session ends."""

from __future__ import annotations

from itertools import count

import pytest

from console.page.admission import OPEN_SECONDS, Access
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def access(clock: Clock) -> Access:
    numbers = count()
    return Access(idle=60, lifetime=100, clock=clock, generate=lambda: f"random-{next(numbers)}")


def test_token_opens_one_session(access: Access) -> None:
    assert access.open(access.token) == "random-1"
    assert access.open(access.token) is None
    assert access.admit("random-1")


@pytest.mark.parametrize("token", ["", "random-", "random-01", "é\N{SNOWMAN}", "\ud800"])
def test_other_token_opens_nothing_and_uses_nothing_up(access: Access, token: str) -> None:
    assert access.open(token) is None
    assert access.open(access.token) is not None


def test_token_that_was_not_opened_in_time_opens_nothing(access: Access, clock: Clock) -> None:
    clock.now += OPEN_SECONDS + 1
    assert access.open(access.token) is None


@pytest.mark.parametrize("session", ["", "random-0", "random-1 ", "\ud800"])
def test_other_session_is_not_admitted(access: Access, session: str) -> None:
    access.open(access.token)
    assert not access.admit(session)


def test_no_session_is_admitted_before_the_token_was_used(access: Access) -> None:
    assert not access.admit("")
    assert not access.admit("random-0")


def test_session_without_requests_ends(access: Access, clock: Clock) -> None:
    session = access.open(access.token) or ""
    clock.now += 60
    assert access.admit(session)
    clock.now += 61
    assert not access.admit(session)
    clock.now -= 61
    assert not access.admit(session)


def test_session_in_use_ends_with_its_lifetime(access: Access, clock: Clock) -> None:
    session = access.open(access.token) or ""
    clock.now += 50
    assert access.admit(session)
    clock.now += 50
    assert access.admit(session)
    clock.now += 1
    assert not access.admit(session)
