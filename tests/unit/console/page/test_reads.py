"""View of who read what: all filters in the address, each row with the links that narrow it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import duckdb
import pytest

from app_integration.errors import Unreachable
from app_integration.session.session import Session
from console.page.application import build_application
from console.page.sources.audit_activity import Activity
from console.page.sources.sources import Options, open_sources
from console.page.views.reads import build_accesses, build_bars, find_slots
from console.page.views.reads_filter import ReadsFilter
from console.target.target import Target, open_target
from console.views.cells import Link
from console.views.charts import build_request_chart
from console.views.table import SIZE
from tests.support.models.audit_lines import line, program, secret, write_store
from tests.support.page_client import PageClient
from tests.support.table_cells import column, texts
from vault.audit.report.activity import Answer
from vault.audit.report.period import parse_period

HOSTILE = "<script>\x1b]0;\N{RIGHT-TO-LEFT OVERRIDE}\"'&"
ROW: dict[str, Any] = {
    "service": "shop",
    "name": "jwt",
    "path": "secret/data/shop/dev/jwt",
    "actor": "shop-dev",
    "host": "web-1",
    "address": "10.0.0.1",
    "category": "read",
    "operation": "data",
    "outcome": "ok",
    "versions": [1, 2, 3],
    "count": 5,
    "first": "2026-05-01T12:00:00.000Z",
    "last": "2026-05-02T12:00:00.000Z",
}
NONE = {"ok": 0, "denied": 0, "failed": 0, "absent": 0, "reads": 0, "logins": 0}
TIMELINE = {"step": "day", "rows": [{**NONE, "time": "2026-05-02T00:00:00.000Z", "ok": 5}]}


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_address_has_all_filters_and_leaves_defaults_out() -> None:
    asked = ReadsFilter(
        *("7d", "1d", "change", "shop-*", "shop/jwt", "shop", "denied", "10.*"), page=3
    )
    assert query(asked.url("dev", page=3)) == {
        "env": "dev",
        "since": "7d",
        "until": "1d",
        "what": "change",
        "actor": "shop-*",
        "secret": "shop/jwt",
        "service": "shop",
        "outcome": "denied",
        "address": "10.*",
        "page": "3",
    }
    assert ReadsFilter().url("dev") == "/reads?env=dev"


def test_row_links_to_what_narrows_the_view() -> None:
    table = build_accesses(Answer([ROW], 0), ReadsFilter(), "dev", 5)
    assert texts(table, "What", "Use", "Versions") == [("shop/jwt", "read", "1\N{EN DASH}3")]
    links = [column(table, each)[0] for each in ("What", "Actor", "Address")]
    assert links == [
        Link("shop/jwt", "/reads?env=dev&secret=shop%2Fjwt"),
        Link("shop-dev", "/reads?env=dev&actor=shop-dev"),
        Link("10.0.0.1", "/reads?env=dev&address=10.0.0.1"),
    ]
    assert table.pages is not None
    assert table.pages.note == "5 requests"


def test_row_of_what_is_not_declared_links_to_its_path() -> None:
    other = {**ROW, "name": None, "service": None, "operation": None, "address": None}
    table = build_accesses(Answer([other], 0), ReadsFilter(), "dev")
    assert texts(table, "What", "Address") == [(ROW["path"], "")]


def test_column_of_the_chart_links_to_its_time() -> None:
    slots = find_slots(build_request_chart(TIMELINE), "day", ReadsFilter(actor="a"), "dev")
    assert query(slots["2026-05-02"]) == {
        "env": "dev",
        "actor": "a",
        "since": "2026-05-02T00:00Z",
        "until": "2026-05-03T00:00Z",
    }


def test_bar_of_what_is_filtered_by_ends_the_filter() -> None:
    asked, rows = ReadsFilter(actor="shop-dev"), Answer([ROW], 0)
    (actor,) = column(build_bars(rows, "actor", asked, "dev"), "actor")
    assert actor == Link("shop-dev", "/reads?env=dev", is_current=True)
    (what,) = column(build_bars(rows, "secret", asked, "dev"), "what")
    assert what == Link("shop/jwt", "/reads?env=dev&actor=shop-dev&secret=shop%2Fjwt")


@pytest.mark.parametrize(("page", "number", "first"), [(1, 1, 1), (2, 2, 101), (9, 2, 101)])
def test_pages_are_counted_and_the_last_one_is_the_last(page: int, number: int, first: int) -> None:
    pages = build_accesses(Answer([ROW], SIZE), ReadsFilter(page=page), "dev").pages
    assert pages is not None
    assert (pages.number, pages.count, pages.total, pages.first) == (number, 2, 101, first)


def refuse(_target: Target) -> Session:
    raise Unreachable("https://vault cannot be reached; check it")


clock = partial(datetime.now, UTC)


def run_now(run: Callable[[], None]) -> None:
    run()


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    """Return options of a page of a store in which each name is hostile."""
    store = tmp_path_factory.mktemp("store")
    auth = program(HOSTILE, HOSTILE, policy_results={"allowed": True})
    time = f"{datetime.now(UTC):%Y-%m-%dT%H}:00:00Z"
    fields: dict[str, Any] = {"mount_type": "kv", "mount_point": "secret/", "time": time}
    read = line(f"secret/data/{HOSTILE}", auth=auth, response=secret(1), **fields)
    write_store(store, [read, line("sys/mounts", auth=auth, error=HOSTILE, time=time)])
    return Options([open_target("staging", store)], (), store, refuse)


@pytest.fixture(scope="module")
def client(options: Options) -> Iterator[PageClient]:
    """Yield a visitor of the page."""
    with open_sources(options, clock, run_now) as sources:
        yield PageClient(build_application(sources, clock), "http://127.0.0.1:1")


def test_names_of_the_log_are_escaped_and_found_again_by_their_links(client: PageClient) -> None:
    for what in ("read", "all"):
        text = client.get(f"/reads?what={what}").text
        assert "<script>" not in text
        assert "\x1b" not in text
    href = ReadsFilter(actor=HOSTILE, secret=f"secret/data/{HOSTILE}").url("staging")
    assert "1\N{EN DASH}1 of 1" in client.get(href).text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/reads?since=soon", "since &#39;soon&#39; is no duration and no time"),
        ("/reads?since=1d&until=2d", "use an earlier since"),
        ("/reads?what=pin", "what is &#39;pin&#39; in the address"),
        ("/reads?outcome=lost", "outcome is &#39;lost&#39; in the address"),
    ],
)
def test_wrong_filter_is_rejected_with_the_reason(
    client: PageClient, path: str, reason: str
) -> None:
    response = client.get(path)
    assert (response.status_code, reason in response.text) == (400, True)


def test_filter_without_a_request_says_how_to_widen_it(client: PageClient) -> None:
    assert "must be the whole name" in client.get("/reads?actor=nobody").text
    assert "in this period" in client.get("/reads?since=2001-01-01&until=2001-01-02").text


@pytest.mark.parametrize(
    ("secret", "is_linked"),
    [
        ("gaara-store/jwt-secret", True),
        ("gaara-store/nothing", False),
        ("../jwt-secret", False),
        ("jwt-secret", False),
    ],
)
def test_filter_by_one_value_links_to_its_life(
    client: PageClient, secret: str, is_linked: bool
) -> None:
    text = client.get(ReadsFilter(secret=secret).url("staging")).text
    href = 'href="/value/secret/gaara-store/jwt-secret?env=staging"'
    assert (href in text) is is_linked


def test_what_was_read_of_the_logs_is_closed_with_the_page(options: Options) -> None:
    with open_sources(options, clock, run_now) as sources:
        source = sources["staging"].activity("1d")
        source.start()
        activity = source.peek().value
        assert activity is not None
        assert activity.ask(lambda connection: connection.execute("SELECT 1").fetchall()) == [(1,)]
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        activity.ask(lambda connection: connection.execute("SELECT 1"))


def test_end_of_the_page_does_not_wait_for_a_question() -> None:
    activity = Activity(parse_period("1d", None, clock()), {}, duckdb.connect())
    asked = threading.Event()

    def endless(connection: duckdb.DuckDBPyConnection) -> None:
        asked.set()
        connection.execute("SELECT max(a * b) FROM range(10000000) x(a), range(10000000) y(b)")

    with ThreadPoolExecutor(1) as threads:
        question = threads.submit(activity.ask, endless)
        asked.wait()
        activity.close()
        with pytest.raises(duckdb.InterruptException):
            question.result()
