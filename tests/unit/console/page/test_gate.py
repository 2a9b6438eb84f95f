"""Gate before the page: the visitor of the one-time URL gets in, and nobody else gets anything."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
from starlette.responses import PlainTextResponse

from console.page.admission import Access
from console.page.gate import HEADERS, Gate
from tests.support.page_client import PageClient

PORT = 8123
TOKEN = "the-token"
INSIDE = "what the visitor sees"


@pytest.fixture
def client() -> PageClient:
    texts = iter((TOKEN, "the-session"))
    access = Access(idle=60, lifetime=100, clock=lambda: 0.0, generate=lambda: next(texts))
    gate = Gate(PlainTextResponse(INSIDE), access, PORT)
    return PageClient(gate, f"http://127.0.0.1:{PORT}")


@pytest.fixture
def visitor(client: PageClient) -> PageClient:
    client.get(f"/open/{TOKEN}")
    return client


def is_refused(response: httpx.Response) -> bool:
    """Return whether *response* is the page that says nothing."""
    return response.status_code == 403 and INSIDE not in response.text


def test_one_time_url_sets_a_strict_cookie_and_leads_to_the_page(client: PageClient) -> None:
    opened = client.get(f"/open/{TOKEN}")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = f"strongroom-{PORT}=the-session; HttpOnly; Path=/; SameSite=strict"
    assert opened.headers["set-cookie"] == cookie
    assert client.get("/").text == INSIDE


def test_one_time_url_opens_nothing_a_second_time(visitor: PageClient) -> None:
    second = visitor.get(f"/open/{TOKEN}")
    assert is_refused(second)
    assert "set-cookie" not in second.headers


@pytest.mark.parametrize("path", ["/", "/style.css", "/open", "/open/", "/open/wrong", "/none"])
def test_stranger_gets_the_same_page_everywhere(client: PageClient, path: str) -> None:
    refused = client.get(path)
    assert is_refused(refused)
    assert refused.text == client.get("/", headers={"cookie": f"strongroom-{PORT}=wrong"}).text
    assert "strongroom" not in refused.text.lower()


def test_cookie_of_another_port_is_not_the_sessions(client: PageClient) -> None:
    client.get(f"/open/{TOKEN}")
    client.cookies.clear()
    assert is_refused(client.get("/", headers={"cookie": "strongroom-9999=the-session"}))


@pytest.mark.parametrize("headers", [{}, {"sec-purpose": "prefetch"}, {"purpose": "prefetch"}])
def test_look_ahead_does_not_use_the_token_up(
    client: PageClient, headers: Mapping[str, str]
) -> None:
    method = "GET" if headers else "HEAD"
    assert client.request(method, f"/open/{TOKEN}", headers=headers).status_code == 403
    assert client.get(f"/open/{TOKEN}").status_code == 303


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_method_that_writes_is_refused(visitor: PageClient, method: str) -> None:
    refused = visitor.request(method, "/")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "localhost:1", f"127.0.0.1.:{PORT}", ""],
)
def test_other_host_is_refused_for_the_visitor_too(visitor: PageClient, host: str) -> None:
    assert is_refused(visitor.get("/", headers={"host": host}))


def test_localhost_is_a_host_of_the_page(client: PageClient) -> None:
    headers = {"host": f"localhost:{PORT}"}
    assert client.get(f"/open/{TOKEN}", headers=headers).status_code == 303


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_request_of_another_site_is_refused(visitor: PageClient, site: str) -> None:
    assert is_refused(visitor.get("/", headers={"sec-fetch-site": site}))


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_request_of_the_page_itself_is_answered(visitor: PageClient, site: str) -> None:
    assert visitor.get("/", headers={"sec-fetch-site": site}).text == INSIDE


def test_every_response_has_the_headers(visitor: PageClient) -> None:
    paths = ("/", "/open/wrong")
    for response in (*map(visitor.get, paths), visitor.request("POST", "/")):
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert "script-src 'none'" in HEADERS["Content-Security-Policy"]
