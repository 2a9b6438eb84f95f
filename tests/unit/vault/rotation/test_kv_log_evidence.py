"""Decision whether consumers have moved: windows, grace periods, and tokens that have ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vault.audit.event_file import EventFile
from vault.rotation.audit_response import Response
from vault.rotation.consumers.consumer_log import ConsumerLog
from vault.rotation.consumers.evidence_type import Evidence, Proof
from vault.rotation.consumers.kv_log_evidence import (
    evidence_by_log,
    evidence_by_time,
    readers_of_old_versions,
)
from vault.rotation.consumers.promotion import Promotion
from vault.rotation.response_log import FileLog

PATH = "secret/data/shop/dev/token"
TIME = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)
PROMOTION = Promotion(TIME, {PATH: 2}, TIME - timedelta(days=1), 5, 60)
WINDOW = 300 + 3600 + 5


def read(
    token: str, version: int, second: float, role: str | None = "shop-dev", host: str | None = None
) -> Response:
    return Response(
        time=TIME + timedelta(seconds=second),
        operation="read",
        path=PATH,
        namespace="",
        role=role,
        host=host,
        display_name="approle",
        has_data=True,
        is_wrapped=False,
        secret_version=version,
        token=token,
        token_ttl=7200,
        token_issued=TIME - timedelta(hours=1),
        address="10.0.0.1",
    )


def end(how: str, token: str, accessor: str = "") -> Response:
    """Return the revocation of a token by itself, or by *accessor*."""
    response = replace(read(token, 1, 10), operation="update", path=f"auth/token/{how}")
    return replace(response, secret_version=None, given_accessor=accessor or None)


def log(*reads: Response, first: float = -86_400, last: float = 30) -> ConsumerLog:
    start, end = (TIME + timedelta(seconds=each) for each in (first, last))
    file = EventFile(Path("log"), first=start, last=end)
    found = ConsumerLog(FileLog([file]), frozenset([PATH]))
    for each in reads:
        found.add(each)
    return found


def judge(*reads: Response, now: float = 30, promotion: Promotion = PROMOTION) -> Evidence:
    return evidence_by_log(
        promotion, log(*reads), {"strongroom-apply"}, TIME + timedelta(seconds=now)
    )


def groups(evidence: Evidence) -> tuple[int, int, int]:
    return len(evidence.moved), len(evidence.ended), len(evidence.waiting)


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([read("a", 1, -60)], (0, 0, 1)),
        ([read("a", 1, -60), read("a", 2, 5)], (1, 0, 0)),
        ([read("a", 1, -60), read("a", 3, 5)], (1, 0, 0)),  # someone wrote version 3 by hand
        ([read("a", 1, 5)], (0, 0, 1)),  # an older version by its number
        ([read("a", 2, 5)], (0, 0, 0)),
        # The version 5 is of a deleted secret of that name.
        ([read("a", 5, -90_000), read("a", 1, -60)], (0, 0, 1)),
        ([read("a", 5, -90_000), read("a", 1, -60), read("a", 2, 5)], (1, 0, 0)),
        ([read("a", 1, -WINDOW - 1)], (0, 0, 0)),
        ([read("a", 1, -WINDOW + 1)], (0, 0, 1)),
        ([read("a", 1, -60, "strongroom-apply")], (0, 0, 0)),
        ([read("a", 1, -60, None)], (0, 0, 1)),
    ],
)
def test_consumer_is_judged_by_its_newest_read(
    reads: list[Response], expected: tuple[int, int, int]
) -> None:
    assert groups(judge(*reads)) == expected


OWN = ("default", "strongroom-apply-2")


@pytest.mark.parametrize(
    ("policies", "is_consumer"),
    [
        (("strongroom-apply",), False),
        (OWN, False),
        ((*OWN, "shop-dev"), True),
        (("default",), True),
        (("root",), True),
        ((), True),
    ],
)
def test_token_with_rights_of_our_jobs_only_is_no_consumer(
    policies: tuple[str, ...], *, is_consumer: bool
) -> None:
    person = replace(read("a", 1, -60, "ada"), policies=policies)
    assert groups(judge(person)) == (0, 0, int(is_consumer))


@pytest.mark.parametrize(
    ("kept", "expected"), [({2}, (0, 0, 0)), ({1, 2}, (0, 0, 1)), (set(), (0, 0, 0))]
)
def test_reader_of_a_destroyed_version_is_no_consumer(
    kept: set[int], expected: tuple[int, int, int]
) -> None:
    promotion = replace(PROMOTION, kept={PATH: kept})
    assert groups(judge(read("a", 1, -60), promotion=promotion)) == expected


ISSUED = int((TIME - timedelta(hours=1)).timestamp())


@pytest.mark.parametrize(
    ("live", "edits", "expected"),
    [
        (None, {}, (0, 0, 1)),
        (set(), {}, (0, 1, 0)),
        ({("shop-dev", ISSUED)}, {}, (0, 0, 1)),
        ({("shop-dev", ISSUED + 1), ("mail-dev", ISSUED)}, {}, (0, 1, 0)),
        ({("mail-dev", ISSUED)}, {"role": None}, (0, 0, 1)),  # the log may hide its role
        (set(), {"is_batch": True}, (0, 0, 1)),  # which the server does not list
        (set(), {"token_issued": None}, (0, 0, 1)),
    ],
)
def test_token_that_the_server_does_not_know_has_ended(
    live: set[tuple[str | None, int]] | None, edits: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    found = log(replace(read("a", 1, -60), **edits))
    evidence = evidence_by_log(PROMOTION, found, (), TIME + timedelta(seconds=30), live)
    assert groups(evidence) == expected


def test_tokens_of_one_role_and_host_are_one_consumer_which_waits_if_one_of_them_does() -> None:
    moved = [read("a", 1, -60), read("a", 2, 5)]
    waiting = [read("b", 1, -50), read("c", 1, -40)]
    elsewhere = read("d", 1, -30, host="web-1")
    evidence = judge(*moved, *waiting, elsewhere)
    assert groups(evidence) == (0, 0, 2)
    first, second = map(str, evidence.waiting)
    assert first == f"shop-dev: read version 1 of {PATH} at 2026-11-27 20:59:20Z (2 tokens)"
    assert second == f"shop-dev on web-1: read version 1 of {PATH} at 2026-11-27 20:59:30Z"
    assert groups(judge(*moved, *waiting, read("b", 2, 6), read("c", 2, 7))) == (1, 0, 0)


def test_grace_begins_when_the_last_consumer_has_moved() -> None:
    evidence = judge(read("a", 1, -60), read("a", 2, 1000), read("a", 2, 5000), read("b", 2, 9000))
    assert evidence.not_before == TIME + timedelta(seconds=1060)
    assert not evidence.is_complete(TIME + timedelta(seconds=1059))
    assert evidence.is_complete(TIME + timedelta(seconds=1060))


def test_clock_of_the_operator_that_is_ahead_delays_the_end() -> None:
    ahead = replace(PROMOTION, local_time=TIME + timedelta(hours=3))
    evidence = judge(read("a", 1, -60), now=2 * 3600, promotion=ahead)
    assert groups(evidence) == (0, 0, 1)  # by the server's clock, its token is valid
    assert evidence.not_before == TIME + timedelta(hours=3, seconds=60)
    assert evidence_by_time(ahead).not_before == TIME + timedelta(hours=3, seconds=WINDOW + 60)
    behind = replace(PROMOTION, local_time=TIME - timedelta(hours=3))
    assert judge(promotion=behind).not_before == TIME + timedelta(seconds=60)


def test_log_that_begins_too_late_adds_the_time_bound() -> None:
    late = log(first=-60)
    evidence = evidence_by_log(PROMOTION, late, (), TIME)
    assert evidence.not_before == TIME + timedelta(seconds=WINDOW + 60)
    assert any("not have all reads" in note for note in evidence.notes)
    young = replace(PROMOTION, created=TIME - timedelta(seconds=30))
    assert evidence_by_log(young, late, (), TIME).not_before == TIME + timedelta(seconds=60)


def test_line_that_could_not_be_read_is_named() -> None:
    assert not any("could not be read" in note for note in judge().notes)
    found = log()
    found.source.files[0].skipped = 2
    notes = evidence_by_log(PROMOTION, found, (), TIME).notes
    assert notes[-1].endswith("so that a request may be missing: log 2")


def test_ended_token_of_an_agent_waits_until_another_token_of_it_has_moved() -> None:
    rendered = replace(PROMOTION, is_rendered=True)
    later = 2 * 3600  # the token has ended
    stopped = read("a", 1, -60, host="web-1")
    evidence = judge(stopped, now=later, promotion=rendered)
    assert groups(evidence) == (0, 0, 1)
    assert "a file that an agent rendered" in evidence.waiting[0].detail
    elsewhere = judge(stopped, read("b", 2, 5, host="web-2"), now=later, promotion=rendered)
    assert groups(elsewhere) == (0, 0, 1)
    restarted = judge(stopped, read("b", 2, 5, host="web-1"), now=later, promotion=rendered)
    assert groups(restarted) == (0, 1, 0)
    deleted = read("b", 5, -90_000, host="web-1")  # of a deleted secret of that name
    assert groups(judge(stopped, deleted, now=later, promotion=rendered)) == (0, 0, 1)
    assert groups(judge(stopped, now=later)) == (0, 1, 0)  # nothing is rendered


def test_token_that_ended_may_leave_its_value_in_the_cache_of_a_live_process() -> None:
    revoked = log(read("a", 1, -60))
    revoked.add(end("revoke-accessor", token="operator", accessor="a"))
    evidence = evidence_by_log(PROMOTION, revoked, (), TIME + timedelta(seconds=30))
    assert groups(evidence) == (0, 1, 0)
    assert evidence.not_before == TIME + timedelta(seconds=WINDOW - 60 + 60)
    assert any("logged in again" in note for note in evidence.notes)


@pytest.mark.parametrize("is_rendered", [False, True])
def test_token_that_its_process_revoked_leaves_no_cached_value(*, is_rendered: bool) -> None:
    closed = log(read("a", 1, -60))
    closed.add(end("revoke-self", token="a"))
    promotion = replace(PROMOTION, is_rendered=is_rendered)
    evidence = evidence_by_log(promotion, closed, (), TIME + timedelta(seconds=30))
    assert groups(evidence) == (0, 1, 0)
    assert evidence.not_before == TIME + timedelta(seconds=60)


def test_grace_period_follows_the_window_if_nothing_is_observed() -> None:
    found = evidence_by_time(PROMOTION)
    assert (found.proof, found.not_before) == (Proof.TIME, TIME + timedelta(seconds=WINDOW + 60))


def test_readers_of_old_versions_are_all_that_the_log_has() -> None:
    reads = [
        read("a", 1, -80_000, "strongroom-apply"),
        *(read("b", 1, -60, host="web-1"), read("c", 1, -30, host="web-1")),
        read("b", 2, 1, host="web-1"),
    ]
    first, second = map(str, readers_of_old_versions({PATH: 2}, log(*reads)))
    assert first == (
        f"shop-dev on web-1: read version 1 of {PATH} from 10.0.0.1, 2026-11-27 20:59:00Z to "
        "2026-11-27 20:59:30Z"
    )
    assert second.startswith("strongroom-apply: read version 1")
    assert " to " not in second


def test_log_that_ends_before_the_promotion_leaves_the_time_bound() -> None:
    found = evidence_by_log(PROMOTION, log(read("a", 1, -60), last=-1), (), TIME)
    assert found.not_before == PROMOTION.time_bound
    assert any("not have all reads" in note for note in found.notes)
