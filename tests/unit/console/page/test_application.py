"""Views without a server: what a source cannot read is said in its place, and the rest stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import RequestRefused, Unreachable
from app_integration.names import Environment
from app_integration.session.session import Session
from console.page.application import VIEWS, build_application
from console.page.page_request import NAVIGATION
from console.page.sources.sources import Options, open_sources
from console.target.target import Target, open_target
from tests.support.models.audit_lines import line
from tests.support.page_client import PageClient
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import Row

ENVIRONMENT = Environment("staging")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def refuse(_target: Target) -> Session:
    raise Unreachable("https://vault cannot be reached\x1b; <check> it")


def run_now(run: Callable[[], None]) -> None:
    run()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[PageClient]:
    options = Options([open_target(ENVIRONMENT, tmp_path)], (), None, refuse)

    def clock() -> datetime:
        return datetime(2026, 5, 1, 12, tzinfo=UTC)

    with open_sources(options, clock, run_now) as sources:
        yield PageClient(build_application(sources, clock), "http://127.0.0.1:1")


class EmptyServer:
    """A session on a server that holds nothing."""

    def list(self, _path: str) -> list[str]:
        return []

    def get(self, _path: str) -> dict[str, Any]:
        raise RequestRefused("404", status=404)

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("path", ["/", "/values", "/value/secret/gaara-store/jwt-secret"])
def test_view_of_an_unreachable_server_says_what_failed_once(client: PageClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    problem = r"https://vault cannot be reached\x1b; &lt;check&gt; it"
    assert response.text.count(problem) == 1
    assert "refresh" not in response.headers


def test_overview_shows_the_declared_services_without_a_server(client: PageClient) -> None:
    text = client.get("/").text
    assert "staging server, staging ledger cannot be read" in text
    assert 'href="/values?env=staging&amp;service=gaara-store"' in text
    assert "name a file of each audit device with --audit-log" in text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/values?kind=pin", "kind is &#39;pin&#39; in the address; expected index-key"),
        ("/values?state=soon", "state is &#39;soon&#39; in the address"),
        ("/values?sort=size", "sort is &#39;size&#39; in the address"),
        ("/values?page=0", "page is &#39;0&#39; in the address; expected a number"),
        ("/values?page=%C2%B2", "expected a number"),
        ("/?env=prod", "env is &#39;prod&#39; in the address; expected staging"),
    ],
)
def test_wrong_address_is_rejected_with_the_reason(
    client: PageClient, path: str, reason: str
) -> None:
    response = client.get(path)
    assert response.status_code == 400
    assert reason in response.text


def test_unknown_address_leads_back(client: PageClient) -> None:
    response = client.get("/nothing")
    assert response.status_code == 404
    assert '<a href="/">Back to the overview</a>' in response.text


def test_text_of_the_address_is_escaped(client: PageClient) -> None:
    text = client.get("/values?q=%22%3E%3Cscript%3E").text
    assert 'value="&#34;&gt;&lt;script&gt;"' in text


def test_alerts_without_an_alertmanager_name_the_option(client: PageClient) -> None:
    text = client.get("/alerts").text
    assert "started without an Alertmanager" in text
    assert "<span>--alertmanager</span>" in text


def test_migrations_without_a_plan_name_the_option(client: PageClient) -> None:
    text = client.get("/migrations").text
    assert "started without the plan of a migration" in text
    assert "<span>--migration</span>" in text


def test_migrations_show_what_their_status_says(tmp_path: Path) -> None:
    lines = {"users": ["Pass backfill 1: 10 rows/s, about 2 h left.", "one/1: held: <file>"]}
    options = Options([open_target(ENVIRONMENT, tmp_path)], (), None, refuse, None, lambda _: lines)
    with open_sources(options, lambda: NOW, run_now) as sources:
        client = PageClient(build_application(sources, lambda: NOW), "http://127.0.0.1:1")
        text = client.get("/migrations").text
    assert "<h2>users</h2>" in text
    assert "10 rows/s, about 2 h left." in text
    assert "one/1: held: &lt;file&gt;" in text


def test_comparison_of_one_environment_names_the_options_for_two(client: PageClient) -> None:
    text = client.get("/compare").text
    words = ("--env", "staging", "--env", "OTHER", "--root")
    assert " ".join(f"<span>{word}</span>" for word in words) in text


def test_command_is_folded_under_what_it_does(client: PageClient) -> None:
    text = client.get("/compare").text
    command = text.partition('<details class="command">')[2].partition("</details>")[0]
    assert "<summary>Show two environments</summary>" in command
    assert 'aria-label="Command: Show two environments"' in command
    assert "open" not in text.partition('<details class="command"')[2].partition(">")[0]


def test_every_view_of_the_navigation_exists() -> None:
    assert {path for path, _ in NAVIGATION} <= VIEWS.keys()


@pytest.mark.parametrize(
    ("path", "kind"), [("/style.css", "text/css"), ("/icon.svg", "image/svg+xml")]
)
def test_page_has_its_own_style_and_icon(client: PageClient, path: str, kind: str) -> None:
    response = client.get(path)
    assert response.headers["content-type"].split(";")[0] == kind
    assert "url(" not in response.text


def test_ledger_has_the_rotation_of_a_root_user_that_the_audit_log_has(tmp_path: Path) -> None:
    log, now = tmp_path / "audit.log", [datetime(2026, 5, 1, 13, tzinfo=UTC)]
    server = EmptyServer()
    targets = [open_target(ENVIRONMENT, tmp_path)]
    options = Options(targets, (log,), None, lambda _: server)  # type: ignore[arg-type,return-value] # reads only

    def rotate(time: str) -> None:
        path = "database/rotate-root/gaara-store-staging"
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line(path, "update", time=time, response={})) + "\n")

    with open_sources(options, lambda: now[0], run_now) as sources:
        ledger = sources["staging"].ledger

        def read_row() -> Row:
            ledger.start()
            rows = ledger.get().value or ()
            return next(row for row in rows if row.item.kind is Kind.ROOT_USER)

        assert "pass an audit log that has it" in (read_row().age.reason or "")
        rotate("2026-05-01T12:00:00Z")
        now[0] = now[0].replace(minute=1)
        assert read_row().age_seconds == 61 * 60
        rotate("2026-05-01T13:00:00Z")
        now[0] = now[0].replace(minute=2)
        assert read_row().age_seconds == 120
