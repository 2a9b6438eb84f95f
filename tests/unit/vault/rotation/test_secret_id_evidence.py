"""Decision whether the users of older secret-ids have moved, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app_integration.names import AGENT_ISSUED
from vault.audit.event_file import EventFile
from vault.rotation.consumers.evidence_type import Evidence
from vault.rotation.consumers.login_log import Client, LoginLog
from vault.rotation.consumers.secret_id_evidence import (
    Generation,
    Observation,
    evidence_by_tokens,
    evidence_of_compromise,
)
from vault.rotation.issued_secret_ids import Issued
from vault.rotation.response_log import FileLog

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def issued(name: str | None, created: datetime = NOW, host: str | None = None) -> Issued:
    return Issued(f"accessor-{name}", name, host, created, created + HOUR)


NEW = issued("new", host="web-1")
OLD = issued("old", NOW - HOUR)
SECRET_IDS = [
    OLD,
    issued("other-host", NOW - HOUR, "web-2"),
    issued(AGENT_ISSUED, NOW - HOUR),
    NEW,
    issued("newer", NOW + HOUR),
]
GENERATION = Generation.of("shop-dev", NEW, SECRET_IDS)


def look(*tokens: Issued, is_used: bool = True, log: LoginLog | None = None) -> Evidence:
    return evidence_by_tokens(GENERATION, Observation(tokens, is_used, log, NOW), NOW)


def test_old_are_those_of_the_host_from_before_that_are_not_an_agents() -> None:
    assert GENERATION.find_old(SECRET_IDS) == [OLD]


@pytest.mark.parametrize(
    ("name", "host", "is_waiting"),
    [
        ("old", None, True),
        ("a destroyed one", "web-1", True),
        (None, None, True),
        ("old", "web-2", False),
        ("new", "web-1", False),
        ("newer", None, False),
        (AGENT_ISSUED, None, False),
    ],
)
def test_token_waits_if_it_came_from_an_older_secret_id(
    name: str | None, host: str | None, is_waiting: bool
) -> None:
    found = look(issued(name, host=host))
    assert bool(found.waiting) == is_waiting
    assert found.is_complete(NOW) != is_waiting
    assert ("new" in str(found.moved)) == (name == "new")


def test_token_without_a_name_says_what_to_do() -> None:
    (note, _place) = look(issued(None)).notes
    assert "restart its process" in note


@pytest.mark.parametrize(
    ("role", "seconds", "is_complete"),
    [("shop-dev", -1, False), ("shop-dev", 1, True), ("shop-dev-starter", 1, False)],
)
def test_login_with_the_new_one_counts_after_its_promotion(
    role: str, seconds: int, is_complete: bool
) -> None:
    time = NOW + timedelta(seconds=seconds)
    times = {Client(role, "new", "web-1", "10.0.0.1"): (time, time)}
    found = look(is_used=False, log=LoginLog(FileLog([]), "auth/approle/login", times=times))
    assert found.is_complete(NOW) == is_complete


def test_compromise_lists_the_logins_of_the_role_with_older_secret_ids() -> None:
    log = LoginLog(
        FileLog([EventFile(Path("audit.log"), skipped=2, first=NOW - 2 * HOUR)]),
        "auth/approle/login",
        times={
            Client("shop-dev", "old", "", "10.0.0.1"): (NOW - HOUR, NOW),
            Client("shop-dev", "new", "web-1", "10.0.0.2"): (NOW, NOW),
            Client("shop-dev", "other-host", "web-2", "10.0.0.3"): (NOW, NOW),
            Client("shop-dev-starter", "old", "", "10.0.0.4"): (NOW, NOW),
        },
    )
    found = evidence_of_compromise(GENERATION, Observation((), True, log, NOW), {}, NOW)
    login = (
        "logged in: shop-dev from 10.0.0.1 with secret-id old, 2026-05-31 23:00:00Z to "
        "2026-06-01 00:00:00Z"
    )
    assert (found.notes[0], len(found.notes)) == (login, 4)
    assert found.notes[2].endswith("so that a request may be missing: audit.log 2")


def test_compromise_without_a_log_says_that_logins_are_unknown() -> None:
    seen = Observation((), True, None, NOW)
    found = evidence_of_compromise(GENERATION, seen, {"shop-dev": [OLD]}, NOW)
    assert found.notes[0].startswith("no audit log was read")
    assert str(found.ended[0]) == (
        "shop-dev: token issued at 2026-05-31 23:00:00Z with secret-id old"
    )
