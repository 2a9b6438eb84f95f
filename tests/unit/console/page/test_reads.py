"""View of who read what: all filters in the address, each row with the links that narrow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from app_integration.errors import Unreachable
from app_integration.names import Environment
from app_integration.session.session import Session
from console.page.application import build_application
from console.page.sources.sources import Options, open_sources
from console.page.views.paging import SIZE
from console.page.views.reads import Found, build_reads
from console.page.views.reads_filter import ReadsFilter
from tests.support.models.audit_lines import line, program, secret, write_store
from tests.support.page_client import PageClient
from vault.audit.report.activity import Answer

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


def found(rows: list[dict[str, Any]], left_out: int = 0) -> Found:
    return Found(TIMELINE, Answer([ROW], 0), Answer([ROW], 0), Answer(rows, left_out), ())


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
    reads = build_reads(found([ROW]), ReadsFilter(), "dev")
    (row,) = reads.page.rows
    assert (row.what.label, row.use, row.versions) == ("shop/jwt", "read", "1\N{EN DASH}3")
    assert query(row.what.href) == {"env": "dev", "secret": "shop/jwt"}
    assert query(row.actor.href) == {"env": "dev", "actor": "shop-dev"}
    assert row.address is not None
    assert query(row.address.href) == {"env": "dev", "address": "10.0.0.1"}
    assert reads.requests == 5


def test_row_of_what_is_not_declared_links_to_its_path() -> None:
    other = {**ROW, "name": None, "service": None, "operation": None, "address": None}
    (row,) = build_reads(found([other]), ReadsFilter(), "dev").page.rows
    assert (row.what.label, row.address) == (ROW["path"], None)


def test_column_of_the_chart_links_to_its_time() -> None:
    reads = build_reads(found([ROW]), ReadsFilter(actor="a"), "dev")
    assert query(reads.slots["2026-05-02"]) == {
        "env": "dev",
        "actor": "a",
        "since": "2026-05-02T00:00Z",
        "until": "2026-05-03T00:00Z",
    }


def test_bar_of_what_is_filtered_by_ends_the_filter() -> None:
    reads = build_reads(found([ROW]), ReadsFilter(actor="shop-dev"), "dev")
    assert [(bar.is_current, query(bar.href)) for bar in reads.actors] == [(True, {"env": "dev"})]
    assert [bar.is_current for bar in reads.values] == [False]


@pytest.mark.parametrize(("page", "number", "first"), [(1, 1, 1), (2, 2, 101), (9, 2, 101)])
def test_pages_are_counted_and_the_last_one_is_the_last(page: int, number: int, first: int) -> None:
    reads = build_reads(found([ROW], SIZE), ReadsFilter(page=page), "dev")
    assert (reads.page.number, reads.page.count, reads.page.total, reads.page.first) == (
        number,
        2,
        101,
        first,
    )


def refuse(_environment: Environment) -> Session:
    raise Unreachable("https://vault cannot be reached; check it")


def run_now(run: Callable[[], None]) -> None:
    run()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageClient]:
    """Yield a visitor of the page of a store in which each name is hostile."""
    store = tmp_path_factory.mktemp("store")
    auth = program(HOSTILE, HOSTILE, policy_results={"allowed": True})
    time = f"{datetime.now(UTC):%Y-%m-%dT%H}:00:00Z"
    fields: dict[str, Any] = {"mount_type": "kv", "mount_point": "secret/", "time": time}
    read = line(f"secret/data/{HOSTILE}", auth=auth, response=secret(1), **fields)
    write_store(store, [read, line("sys/mounts", auth=auth, error=HOSTILE, time=time)])
    options = Options([Environment("staging")], store, (), store, refuse)
    clock = partial(datetime.now, UTC)
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
