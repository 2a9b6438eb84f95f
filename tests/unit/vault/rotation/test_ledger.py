"""Ledger: rows from ages and logs, and their forms for programs and for Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app_integration.names import AGENT_ISSUED, Environment
from vault.audit.event_file import EventFile
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.document import document
from vault.rotation.ledger.last_reads import AuditLogs, Read
from vault.rotation.ledger.ledger import LastRead, ReadState, Row, State, build_ledger
from vault.rotation.ledger.metrics import render_metrics
from vault.rotation.record import Record, Step
from vault.rotation.server_ages import Age

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CREATED = datetime(2026, 5, 1, 0, 0, 0, 123_456, tzinfo=UTC)


def item(kind: Kind, name: str = "x", every: int | None = 86_400) -> Item:
    return Item(kind, "shop", name, name, every, is_declared=True)


def logs(**found: Any) -> AuditLogs:
    """Return logs that cover May 2026."""
    log = EventFile(
        path=Path("audit.log"),
        lines=2,
        first=datetime(2026, 5, 1, tzinfo=UTC),
        last=datetime(2026, 5, 31, tzinfo=UTC),
    )
    return AuditLogs(files=[log], **found)


def row(kind: Kind, age: Age, audit: AuditLogs | None, every: int | None = 86_400) -> Row:
    (found,) = build_ledger([item(kind, every=every)], lambda _: [age], audit, NOW)
    return found


def login(time: datetime) -> Read:
    return Read(time, "login", "x", "web-1", "approle", None)


@pytest.mark.parametrize(
    ("days", "every", "expires", "state"),
    [
        (2, 86_400, None, State.OVERDUE),
        (1, 86_400, None, State.OK),
        (500, None, None, State.OK),
        (2, 900_000, NOW + DAY, State.OK),
        (2, None, NOW - DAY, State.OVERDUE),
    ],
)
def test_state_follows_from_age_period_and_expiry(
    days: int, every: int | None, expires: datetime | None, state: State
) -> None:
    found = row(Kind.SECRET, Age(NOW - days * DAY, expires=expires), None, every)
    assert (found.state, found.age_seconds) == (state, days * 86_400)


def test_value_that_does_not_exist_is_not_overdue() -> None:
    found = row(Kind.SECRET, Age(reason="no version was written"), None)
    assert (found.state, found.due, found.age_seconds) == (State.NO_VALUE, None, None)


def test_rotation_of_a_root_user_is_known_from_the_log_only() -> None:
    unknown = Age(reason="…", is_known=False)
    assert row(Kind.ROOT_USER, unknown, logs()).state is State.UNKNOWN
    rotated = NOW - 3 * DAY
    found = row(Kind.ROOT_USER, unknown, logs(rotations={item(Kind.ROOT_USER): rotated}))
    assert (found.state, found.age.rotated, found.age.reason) == (State.OVERDUE, rotated, None)
    assert found.last_read.state is ReadState.UNKNOWN


def test_secret_without_a_read_in_the_log_was_never_read() -> None:
    assert row(Kind.SECRET, Age(NOW), logs()).last_read == LastRead(ReadState.NEVER)
    assert row(Kind.SECRET, Age(NOW), None).last_read.reason == "no audit log was read"
    empty = row(Kind.SECRET, Age(NOW), AuditLogs()).last_read
    assert empty == LastRead(ReadState.UNKNOWN, "the audit log has no line")


@pytest.mark.parametrize(
    ("logged_in", "state"),
    [(None, ReadState.NEVER), (NOW - 3 * DAY, ReadState.NEVER), (NOW - DAY, ReadState.UNKNOWN)],
)
def test_secret_id_was_never_used_if_its_role_has_not_logged_in_since(
    logged_in: datetime | None, state: ReadState
) -> None:
    logins = {} if logged_in is None else {("x", None): login(logged_in)}
    found = row(Kind.SECRET_ID, Age(NOW - 2 * DAY), logs(logins=logins)).last_read
    assert found.state is state
    assert found.read == (None if state is ReadState.NEVER else logins["x", None])


def test_secret_id_with_a_name_has_the_last_login_that_used_it() -> None:
    logins = {("x", "a"): login(NOW - DAY), ("x", None): login(NOW)}
    audit = logs(logins=logins)
    used = row(Kind.SECRET_ID, Age(NOW - 2 * DAY, issued="a"), audit).last_read
    assert used == LastRead(ReadState.READ, read=logins["x", "a"])
    unused = row(Kind.SECRET_ID, Age(NOW - 2 * DAY, issued="b"), audit).last_read
    assert unused == LastRead(ReadState.NEVER)


def test_role_without_a_valid_secret_id_has_the_last_login_that_was_not_an_agents() -> None:
    logins = {
        ("x", "a"): login(NOW - 2 * DAY),
        ("x", None): login(NOW - 3 * DAY),
        ("x", AGENT_ISSUED): login(NOW - DAY),
        ("y", "a"): login(NOW),
    }
    none = Age(reason="the AppRole has no valid secret-id")
    found = row(Kind.SECRET_ID, none, logs(logins=logins)).last_read
    assert found == LastRead(ReadState.READ, read=logins["x", "a"])
    only_agent = logs(logins={("x", AGENT_ISSUED): login(NOW)})
    assert row(Kind.SECRET_ID, none, only_agent).last_read == LastRead(ReadState.NEVER)


def test_document_has_these_keys() -> None:
    read = Read(CREATED, "read", "shop-dev", None, "approle", 3)
    audit = logs(reads={item(Kind.SECRET): read})
    found = document(Environment.DEV, [row(Kind.SECRET, Age(CREATED, None, 3), audit)], audit, NOW)
    assert json.loads(json.dumps(found)) == {
        "environment": "dev",
        "time": "2026-06-01T00:00:00Z",
        "overdue": 1,
        "audit_log": {
            "first": "2026-05-01T00:00:00Z",
            "last": "2026-05-31T00:00:00Z",
            "skipped_lines": 0,
            "files": [
                {
                    "path": "audit.log",
                    "first": "2026-05-01T00:00:00Z",
                    "last": "2026-05-31T00:00:00Z",
                    "lines": 2,
                    "skipped_lines": 0,
                }
            ],
        },
        "rows": [
            {
                "service": "shop",
                "kind": "secret",
                "name": "x",
                "server_name": "x",
                "state": "overdue",
                "reason": None,
                "version": 3,
                "accessor": None,
                "created": "2026-05-01T00:00:00Z",
                "age_seconds": 2_678_399,
                "last_rotation": None,
                "rotate_every_seconds": 86_400,
                "rotate_every_declared": True,
                "derived_from": [],
                "expires": None,
                "due": "2026-05-02T00:00:00Z",
                "rotation": None,
                "last_read": {
                    "state": "read",
                    "reason": None,
                    "time": "2026-05-01T00:00:00Z",
                    "operation": "read",
                    "role": "shop-dev",
                    "host": None,
                    "display_name": "approle",
                    "version": 3,
                },
            }
        ],
    }


ROTATING = Record("1", Step.CONSUMERS, started=CREATED, promoted=CREATED + DAY)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, None),
        (replace(ROTATING, step=Step.DONE), None),
        (replace(ROTATING, step=Step.UNDONE), None),
        (
            ROTATING,
            {
                "step": "consumers",
                "started": "2026-05-01T00:00:00Z",
                "promoted": "2026-05-02T00:00:00Z",
                "undoing": False,
            },
        ),
    ],
)
def test_row_has_the_rotation_that_is_under_way(
    record: Record | None, expected: dict[str, Any] | None
) -> None:
    rows = build_ledger([item(Kind.SECRET)], lambda _: [Age(NOW)], None, NOW, lambda _: record)
    found = document(Environment.DEV, rows, None, NOW)
    assert found["rows"][0]["rotation"] == expected


@pytest.mark.parametrize(
    ("record", "created"), [(replace(ROTATING, ended=NOW), NOW), (ROTATING, None), (None, None)]
)
def test_age_of_a_root_user_is_that_of_its_last_rotation(
    record: Record | None, created: datetime | None
) -> None:
    unknown, root = [Age(reason="…", is_known=False)], item(Kind.ROOT_USER)
    (row,) = build_ledger([root], lambda _: unknown, None, NOW, lambda _: record)
    assert row.age.created == created


def test_waiting_rotation_has_a_sample_since_its_promotion_or_its_start() -> None:
    started = replace(ROTATING, step=Step.SET, promoted=None)
    for record, since in ((ROTATING, CREATED + DAY), (started, CREATED)):
        unknown = [Age(reason="…", is_known=False)]
        rows = build_ledger([item(Kind.SECRET)], lambda _: unknown, None, NOW, lambda _: record)  # noqa: B023 (called at once)
        text = render_metrics(Environment.DEV, rows, NOW).decode()
        ((value,)) = re.findall(r"^strongroom_rotation_waiting\S+ (\S+)$", text, re.MULTILINE)
        assert float(value) == pytest.approx(since.timestamp())


@pytest.mark.requires("prometheus")
def test_promtool_has_nothing_to_say_about_the_metrics() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool")
    rows = build_ledger(
        [item(Kind.SECRET)], lambda _: [Age(CREATED)], None, NOW, lambda _: ROTATING
    )
    text = render_metrics(Environment.DEV, rows, NOW)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


def test_document_without_a_log_or_a_read_has_the_same_keys() -> None:
    found = document(Environment.DEV, [row(Kind.SECRET, Age(NOW), None)], None, NOW)
    assert found["audit_log"] is None
    last = found["rows"][0]["last_read"]
    assert last.pop("state") == "unknown"
    assert last.pop("reason") == "no audit log was read"
    assert last == dict.fromkeys(("time", "operation", "role", "host", "display_name", "version"))


SAMPLE = re.compile(
    r"strongroom_rotation_(?:age_seconds|due_timestamp_seconds|overdue)"
    r'\{environment="[^"]*",kind="[^"]*",name="[^"]*",service="[^"]*"\} \d+(?:\.\d+)?(?:e[+]\d+)?'
)


def test_metrics_are_text_in_the_format_of_prometheus() -> None:
    rows = [
        row(Kind.SECRET, Age(NOW - 2 * DAY), None),
        row(Kind.KEY, Age(NOW), None, every=None),
        row(Kind.ROOT_USER, Age(reason="…", is_known=False), None),
    ]
    lines = render_metrics(Environment.DEV, rows, NOW).decode().splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    checked = 'strongroom_rotation_checked_timestamp_seconds{environment="dev"}'
    assert float(samples.pop().removeprefix(checked)) == NOW.timestamp()
    assert all(SAMPLE.fullmatch(line) for line in samples)
    assert len(samples) == len(set(samples)) == 5  # the key has no due date
    labels = '{environment="dev",kind="secret",name="x",service="shop"}'
    assert f"strongroom_rotation_age_seconds{labels} 172800.0" in lines
    assert f"strongroom_rotation_overdue{labels} 1.0" in lines
    for name in ("age_seconds", "due_timestamp_seconds", "overdue"):
        assert lines.count(f"# TYPE strongroom_rotation_{name} gauge") == 1
        assert sum(line.startswith(f"# HELP strongroom_rotation_{name} ") for line in lines) == 1


@pytest.mark.parametrize(
    ("age", "sample"),
    [
        (Age(version=3, reason="version 3 is destroyed"), "1.0"),
        (Age(NOW, version=3), "0.0"),
        (Age(reason="no version was written"), None),
    ],
)
def test_metric_tells_a_value_that_was_deleted(age: Age, sample: str | None) -> None:
    text = render_metrics(Environment.DEV, [row(Kind.SECRET, age, None)], NOW).decode()
    found = re.findall(r"^strongroom_rotation_value_deleted\{.*\} (\S+)$", text, re.MULTILINE)
    assert found == ([] if sample is None else [sample])


def test_secret_ids_of_one_role_are_one_series_of_the_oldest() -> None:
    ages = [Age(NOW - 2 * DAY, accessor="a"), Age(NOW, accessor="b")]
    rows = build_ledger([item(Kind.SECRET_ID)], lambda _: ages, None, NOW)
    text = render_metrics(Environment.DEV, rows, NOW).decode()
    values = dict(re.findall(r"^strongroom_rotation_(\w+)\{.*\} (\S+)$", text, re.MULTILINE))
    assert (values["age_seconds"], values["overdue"]) == ("172800.0", "1.0")
    assert len(SAMPLE.findall(text)) == 3
    assert '"a"' not in text
