"""What access records tell about values that processes keep."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app_integration.names import Environment, Scope
from console.views import restarts
from console.views.restarts import Kept, find_kept

SHOP = Scope("shop", Environment.DEV)
TIME = "2026-01-31T09:30:00.123+00:00"


def record(pid: int, place: str = "Settings.token", **more: Any) -> str:
    fields = {"time": TIME, "service": "shop", "environment": "dev", "host": "here", "pid": pid}
    kept = {"operation": "keep", "secret": "token", "outcome": "kept", "kept_in": place}
    return json.dumps({**fields, **kept, **more}, separators=(",", ":"))


def test_places_of_other_secrets_services_and_hosts_are_left_out() -> None:
    others = [
        record(1, secret="other"),
        record(2, service="orders"),
        record(3, environment="qa"),
        record(4, host="elsewhere"),
        record(5, operation="get_secret"),
        record(6)[:-20],
        '{"operation":"keep"}',
    ]
    found = find_kept([*others, record(7)], SHOP, "token", "here")
    assert found == {Kept(7, "Settings.token"): datetime(2026, 1, 31, 9, 30, 0, 123_000, UTC)}


def test_place_that_is_filled_again_is_left_out() -> None:
    lines = [record(1), record(1, "TOKEN"), record(1), record(2)]
    found = find_kept(lines, SHOP, "token", "here")
    assert [*found] == [Kept(1, "TOKEN"), Kept(2, "Settings.token")]


def test_records_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "access.jsonl"
    assert [*restarts._read_lines(file)] == []
    file.mkdir()
    assert [*restarts._read_lines(file)] == []
