"""Each rule accepts a history that keeps it, and reports each way to break it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.histories import history
from tests.histories.history import (
    Call,
    Fault,
    History,
    Login,
    OrphanReport,
    Request,
    Write,
)
from tests.histories.validators import (
    VALIDATORS,
    find_data_keys_kept_too_long,
    find_repeated_calls,
    find_unseen_orphans,
    find_values_after_denials,
    find_values_kept_too_long,
    find_versions_going_back,
    violations,
)

PATH: Final = "secret/data/shop/prod/alpha"
ONCE: Final = "secret/data/shop/prod/once/1"
LEASE: Final = "database/creds/shop-prod"


def call(begun: float, ended: float, **fields: Any) -> Call:
    """Return a call that read a value, unless *fields* say otherwise."""
    known = {"operation": history.READ, "path": PATH, "outcome": history.VALUE}
    return Call(number=1, thread=1, begun=begun, ended=ended, **{**known, **fields})


def read(begun: float, ended: float, version: int, **fields: Any) -> Call:
    """Return a call that read *version*."""
    return call(begun, ended, version=version, value=version, served=history.MISS, **fields)


def decryption(begun: float, ended: float, **fields: Any) -> Call:
    """Return a call that decrypted a token, unless *fields* say otherwise."""
    return call(begun, ended, **{"operation": history.DECRYPT, "path": "token", **fields})


def served(begun: float, how: str, request_id: str | None = None) -> Call:
    """Return a call that was served from the cache."""
    return call(begun, begun + 0.01, served=how, request_id=request_id)


def request(at: float, request_id: str = "r1", **fields: Any) -> Request:
    """Return an answered read of the secret, unless *fields* say otherwise."""
    known = {"operation": "read", "path": PATH, "ended": at + 0.01}
    return Request(at=at, request_id=request_id, **{**known, **fields})


def made(*events: object) -> History:
    """Return a history of *events*, with a TTL of 1 s, a stale limit of 4 s, and so on."""
    kinds: dict[str, type] = {
        "calls": Call,
        "requests": Request,
        "logins": Login,
        "faults": Fault,
        "writes": Write,
        "reports": OrphanReport,
    }
    lists: dict[str, Any] = {
        name: tuple(each for each in events if isinstance(each, kind))
        for name, kind in kinds.items()
    }
    return History(seed=1, cache_ttl=1.0, stale_limit=4.0, data_key_age=3.0, deadline=2.0, **lists)


WRITTEN: Final = call(1, 3, operation=history.WRITE_ONCE, path=ONCE)
SENT: Final = request(1.5, operation="update", path=ONCE)
AGAIN: Final = request(2.5, "r2", operation="update", path=ONCE)
DENIED: Final = Fault(history.DENIED, 10, 20)
REFUSED: Final = call(11, 12, outcome="AccessDenied")
ISSUED: Final = request(5, path=LEASE, lease_id="database/creds/shop-prod/x", username="v-x")

KEPT: Final = {
    "a call that is sent once": (WRITTEN, SENT),
    "a call that is sent again after the token was refused": (
        *(WRITTEN, AGAIN),
        request(1.5, operation="update", path=ONCE, error="permission denied"),
    ),
    "a call that a standby handed on": (
        *(WRITTEN, AGAIN),
        request(1.5, operation="update", path=ONCE, error="cannot write to readonly storage"),
    ),
    "two requests of a call that may be repeated": (call(1, 3), request(1.5), request(2, "r2")),
    "a value during a denial that no call was told of": (DENIED, read(11, 12, 1)),
    "a value of a call concurrent with the denied one": (DENIED, REFUSED, read(11.5, 13, 1)),
    "a value of another secret": (DENIED, REFUSED, read(13, 14, 1, path=f"{PATH}2")),
    "a value after the policy is back": (DENIED, REFUSED, read(19, 21, 1)),
    "a decryption by a data key from before a denial": (DENIED, decryption(14.9, 15.5)),
    "an error after the age of a data key": (DENIED, decryption(16, 17, outcome="AccessDenied")),
    "a decryption after the policy is back": (DENIED, decryption(19, 21)),
    "versions that grow": (read(1, 2, 1), read(3, 4, 1), read(5, 6, 2)),
    "an older version of a concurrent call": (read(1, 4, 2), read(3, 5, 1)),
    "an older version than a write, in the cache": (Write(PATH, 2, 2, 1, 2), read(3, 4, 1)),
    "an answer to a request from before a write": (
        Write(PATH, 2, 2, 1, 2),
        read(3.5, 5, 1, operation=history.READ_ANEW),
    ),
    "a fresh value": (request(1), served(1.9, history.HIT, "r1")),
    "a stale value within its limit": (request(1), served(4.9, history.STALE)),
    "a stale value that was refreshed": (request(1), request(4, "r2"), served(7, history.STALE)),
    "a lease that a caller got": (
        ISSUED,
        call(5, 6, operation=history.LEASE_ONCE, path=LEASE, lease_id=ISSUED.lease_id),
    ),
    "a lease whose user logged in": (ISSUED, Login(6, "v-x")),
    "a lease that was revoked": (
        ISSUED,
        request(7, "r2", path="sys/leases/revoke", named_lease=ISSUED.lease_id),
    ),
    "a lease that comes while the SDK closes": (call(1, 5), ISSUED),
    "a lost lease that is reported": (ISSUED, OrphanReport(6, LEASE)),
}
BROKEN: Final[dict[str, tuple[Callable[[History], list[str]], tuple[object, ...]]]] = {
    "a call that is sent twice": (find_repeated_calls, (WRITTEN, SENT, AGAIN)),
    "a call that is sent again after an error": (
        find_repeated_calls,
        (
            call(1, 3, operation=history.LEASE_ONCE, path=LEASE, outcome="VaultDown"),
            request(1.5, path=LEASE, error="internal error"),
            request(2, "r2", path=LEASE, ended=None),
        ),
    ),
    "a value after a denial": (find_values_after_denials, (DENIED, REFUSED, read(13, 14, 1))),
    "a past version after a denial": (
        find_values_after_denials,
        (DENIED, REFUSED, read(13, 14, 1, operation=history.READ_VERSION)),
    ),
    "a decryption after the age of a data key": (
        find_data_keys_kept_too_long,
        (DENIED, decryption(15.1, 16)),
    ),
    "an encryption after the age of a data key": (
        find_data_keys_kept_too_long,
        (DENIED, decryption(15.1, 16, operation=history.ENCRYPT)),
    ),
    "an older version than an earlier call's": (
        find_versions_going_back,
        (read(1, 2, 2), read(3, 4, 1)),
    ),
    "a new answer that is older than a write": (
        find_versions_going_back,
        (Write(PATH, 2, 2, 1, 2), read(4.5, 5, 1, operation=history.READ_ANEW)),
    ),
    "a value of another version": (
        find_versions_going_back,
        (Write(PATH, 1, 7, 1, 2), read(3, 4, 1)),
    ),
    "a fresh value beyond the TTL": (
        find_values_kept_too_long,
        (request(1), served(2.1, history.HIT, "r1")),
    ),
    "a stale value beyond the limit": (
        find_values_kept_too_long,
        (request(1), served(5.1, history.STALE)),
    ),
    "a stale value whose refresh was lost": (
        find_values_kept_too_long,
        (
            *(request(1), request(4, "r2"), served(5.1, history.STALE)),
            Fault(history.CUT, 3.5, 5.5),
        ),
    ),
    "a stale value whose refresh failed": (
        find_values_kept_too_long,
        (request(1), request(4, "r2", error="denied"), served(5.1, history.STALE)),
    ),
    "a lost lease without a report": (find_unseen_orphans, (ISSUED,)),
    "a second lost lease without a report": (
        find_unseen_orphans,
        (ISSUED, OrphanReport(6, LEASE), request(7, "r2", path=LEASE, lease_id="y")),
    ),
    "a lost lease with a report of another path": (
        find_unseen_orphans,
        (ISSUED, OrphanReport(6, f"{LEASE}-2")),
    ),
}


@pytest.mark.parametrize("events", KEPT.values(), ids=KEPT)
def test_history_that_keeps_all_rules_has_no_violation(events: tuple[object, ...]) -> None:
    assert violations(made(*events)) == []


@pytest.mark.parametrize(("rule", "events"), BROKEN.values(), ids=BROKEN)
def test_broken_rule_is_reported_by_its_validator_alone(
    rule: Callable[[History], list[str]], events: tuple[object, ...]
) -> None:
    broken = made(*events)
    assert [each for each in VALIDATORS if each(broken)] == [rule]
    assert len(rule(broken)) == 1


def test_each_rule_has_a_history_that_breaks_it() -> None:
    assert {rule for rule, _ in BROKEN.values()} == set(VALIDATORS)


def test_stored_history_is_the_same() -> None:
    events = [each for more in KEPT.values() for each in more]
    before = made(*events, *(each for _, more in BROKEN.values() for each in more))
    assert History.from_json(before.to_json()) == before
