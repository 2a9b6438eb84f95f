"""Activity by a filter: who, what, from where, with which outcome, over time and page by page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.support.models.audit_lines import line, program, secret, write_store
from tests.support.models.audit_report import DECLARED, JWT, KV, MAY
from vault.audit.report.access import find_accesses, find_most
from vault.audit.report.activity import Slice, group_activity
from vault.audit.report.activity_filter import ActivityFilter
from vault.audit.report.timeline import find_timeline, find_version_timeline
from vault.audit.report.version_reads import find_last_versions, group_version_reads
from vault.audit.store import open_store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SMTP = "secret/data/mail/dev/smtp"
DENIED: dict[str, Any] = {"policy_results": {"allowed": False}}
LINES = [
    line(JWT, auth=program("shop-dev", "web-1"), response=secret(1), **KV),
    line(
        JWT,
        time="2026-05-02T12:30:00Z",
        auth=program("shop-dev", "web-2", "t2"),
        response=secret(2),
        remote_address="10.0.0.2",
        **KV,
    ),
    line(JWT, time="2026-05-02T13:00:00Z", auth=program("shop-dev-starter", **DENIED), **KV),
    line(SMTP, time="2026-05-09T12:00:00Z", auth=program("mail-dev"), response=secret(1), **KV),
    line("sys/mounts", time="2026-05-09T13:00:00Z", auth=program("it's*"), response={"data": {}}),
]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    store = write_store(tmp_path_factory.mktemp("store"), LINES)
    with open_store(store) as connection:
        group_activity(connection, DECLARED, MAY, "")
        group_version_reads(connection)
        yield connection


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 5),
        ({"category": "read"}, 4),
        ({"actor": "shop-dev"}, 2),
        ({"actor": "shop-dev*"}, 3),
        ({"actor": "web-2"}, 1),
        ({"actor": "it's*"}, 1),
        ({"actor": "' OR true --"}, 0),
        ({"actor": "shop_dev*"}, 0),
        ({"actor": "%*"}, 0),
        ({"actor": "\\*"}, 0),
        ({"secret": "jwt"}, 3),
        ({"secret": "shop/jwt"}, 3),
        ({"secret": "secret/data/*"}, 4),
        ({"secret": "shop"}, 0),
        ({"address": "10.0.0.2"}, 1),
        ({"address": "10.*"}, 5),
        ({"service": "mail"}, 1),
        ({"service": "-"}, 1),
        ({"outcome": "denied", "service": "shop"}, 1),
    ],
)
def test_filter_keeps_what_it_names(
    connection: DuckDBPyConnection, asked: dict[str, str], count: int
) -> None:
    found = find_accesses(connection, ActivityFilter(**asked), Slice(1, 10))
    assert sum(row["count"] for row in found.rows) == count
    rows = find_timeline(connection, ActivityFilter(**asked))["rows"]
    assert sum(row["ok"] + row["denied"] for row in rows) == count


def test_accesses_are_the_latest_first_with_versions_and_page_by_page(
    connection: DuckDBPyConnection,
) -> None:
    asked = ActivityFilter(category="read")
    pages = [find_accesses(connection, asked, Slice(number, 3)) for number in (1, 2, 9)]
    rows = [
        [(row["actor"], row["outcome"], row["versions"]) for row in each.rows] for each in pages
    ]
    last = [("shop-dev", "ok", [1])]
    assert rows == [
        [("mail-dev", "ok", [1]), ("shop-dev-starter", "denied", []), ("shop-dev", "ok", [2])],
        last,
        last,
    ]
    assert [each.left_out for each in pages] == [1, 3, 3]


def test_most_are_named_by_what_is_declared(connection: DuckDBPyConnection) -> None:
    found = find_most(connection, ActivityFilter(outcome="ok"), "path", 1)
    assert found.rows == [{"path": JWT, "service": "shop", "name": "jwt", "count": 2}]
    assert found.left_out == 2


@pytest.mark.parametrize(("actor", "step"), [("shop-dev", "hour"), ("*", "day")])
def test_timeline_is_by_the_hour_if_it_is_short(
    connection: DuckDBPyConnection, actor: str, step: str
) -> None:
    assert find_timeline(connection, ActivityFilter(actor=actor))["step"] == step


def test_version_timeline_counts_the_reads_of_each_version(connection: DuckDBPyConnection) -> None:
    found: dict[str, Any] = find_version_timeline(connection, "shop", "dev", "jwt")
    assert found == {
        "step": "hour",
        "rows": [
            {"time": "2026-05-01T12:00:00.000Z", "version": 1, "count": 1},
            {"time": "2026-05-02T12:00:00.000Z", "version": 2, "count": 1},
        ],
    }


def test_last_versions_name_who_still_has_the_old_one(connection: DuckDBPyConnection) -> None:
    found = find_last_versions(connection, "shop", "dev", "jwt")
    assert [(row["version"], row["host"]) for row in found.rows] == [(2, "web-2"), (1, "web-1")]


def test_tables_outlive_the_store_in_a_connection_of_the_caller(tmp_path: Path) -> None:
    write_store(tmp_path, LINES)
    with duckdb.connect() as connection:
        with open_store(tmp_path, connection):
            group_activity(connection, DECLARED, MAY, "")
        assert len(find_accesses(connection, ActivityFilter(), Slice(1, 10)).rows) == 5
