"""Printed ledger: one line for each row, and nothing that a terminal would interpret."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from console.views.ledger import format_age, show_ledger
from vault.audit.event_file import EventFile
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import AuditLogs, Read
from vault.rotation.ledger.ledger import LastRead, ReadState, Row, State
from vault.rotation.record import Record, Step
from vault.rotation.server_ages import Age

TIME = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
SECRET = Item(Kind.SECRET, "shop", "token", "shop/dev/token", 7_776_000, is_declared=False)
READ = Read(TIME, "read", "shop-dev", "web-1", "approle", 3)
NEVER = LastRead(ReadState.NEVER)
ROW = Row(SECRET, Age(TIME, TIME, 3), State.OK, 90_000, TIME, NEVER)
LOGS = AuditLogs([EventFile(Path("audit.log"), 2, 1, TIME, TIME)])


def printed(row: Row, logs: AuditLogs | None = LOGS) -> list[str]:
    out = io.StringIO()
    show_ledger(Console(file=out, width=40, soft_wrap=True), [row], logs)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0m"),
        (59, "0m"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (86_399, "23h"),
        (90_000, "1d"),
    ],
)
def test_age_is_in_its_largest_whole_unit(seconds: int, text: str) -> None:
    assert format_age(seconds) == text


def test_row_has_its_dates_and_its_reader() -> None:
    _, line, *rest = printed(replace(ROW, last_read=LastRead(ReadState.READ, read=READ)))
    time = "2026-05-01 12:30Z"
    period = "90d (default)"
    reader = "shop-dev on web-1, version 3"
    assert line == f"shop secret token ok 1d {time} {period} {time} {time} {reader}"
    skipped = "Lines of the log could not be read, so that a request may be missing: audit.log 1."
    assert rest == [
        "Ledger: 1 ok, 0 overdue, 0 no value, 0 unknown.",
        f"Reads are those in the audit log, from {time} to {time}.",
        skipped,
    ]


@pytest.mark.parametrize(("kind", "text"), [(Kind.SECRET, "read"), (Kind.KEY, "used")])
def test_value_without_a_read_was_never_read_or_used(kind: Kind, text: str) -> None:
    assert printed(replace(ROW, item=replace(SECRET, kind=kind)))[1].endswith(f" never {text}")


def test_value_that_does_not_exist_has_no_dates() -> None:
    row = replace(ROW, age=Age(reason="…"), state=State.NO_VALUE, age_seconds=None, due=None)
    line = printed(replace(row, last_read=LastRead(ReadState.UNKNOWN, "…")), None)[1]
    assert line == "shop secret token no value - - 90d (default) - unknown"


def test_name_from_the_log_cannot_control_the_terminal() -> None:
    read = replace(READ, role="a\x1b[2Jb\nc", host="[red]d")
    text = "\n".join(printed(replace(ROW, last_read=LastRead(ReadState.READ, read=read))))
    assert "\x1b" not in text
    assert "a\\x1b[2Jb\\nc on [red]d" in text


def test_token_without_a_role_is_not_named_like_one() -> None:
    read = replace(READ, role=None, host=None, display_name="root", version=None)
    line = printed(replace(ROW, last_read=LastRead(ReadState.READ, read=read)))[1]
    assert line.endswith("a token without a role: root")


@pytest.mark.parametrize(("logs", "reason"), [(None, "--audit-log"), (AuditLogs(), "no line")])
def test_reads_without_a_log_are_unknown(logs: AuditLogs | None, reason: str) -> None:
    *_, last = printed(ROW, logs)
    assert last.startswith("Reads are unknown: ")
    assert reason in last


def test_row_names_the_next_step_of_its_rotation() -> None:
    record = Record("1", Step.CONSUMERS, TIME)
    assert (
        "shop secret token ok, under way: consumers 1d" in printed(replace(ROW, rotation=record))[1]
    )
