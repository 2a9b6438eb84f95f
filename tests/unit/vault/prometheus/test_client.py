"""Client of Prometheus: its addresses, and responses that are not Prometheus'."""

from __future__ import annotations

from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from tests.support.servers.local_server import Server, serve
from vault.prometheus.client import Sample, parse_vector, query_prometheus
from vault.prometheus.http_api import MAX_RESPONSE, check_url


def vector(*results: object, status: str = "success", kind: str = "vector") -> dict[str, Any]:
    return {"status": status, "data": {"resultType": kind, "result": list(results)}}


def test_vector_of_prometheus_is_parsed() -> None:
    document = vector({"metric": {"instance": "a:1"}, "value": [1.5, "2.5"]})
    assert parse_vector(document) == (Sample({"instance": "a:1"}, 2.5),)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"status": "error", "data": {}},
        vector(status="error"),
        vector(kind="matrix"),
        {"status": "success", "data": {"resultType": "vector", "result": {}}},
        vector({"metric": {}}),
        vector({"metric": [], "value": [1, "3"]}),
        vector({"metric": {"instance": 1}, "value": [1, "3"]}),
        vector({"metric": {"instance": "a"}, "value": [1, 3]}),
        vector({"metric": {}, "value": [1, "3", 4]}),
        vector({"metric": {}, "value": "3"}),
        *(vector({"metric": {"instance": "a"}, "value": [1, text]}) for text in ("x", "", "1_0x")),
    ],
)
def test_other_response_is_rejected(document: object) -> None:
    with pytest.raises(
        ConfigurationError, match="not that of Prometheus' query API; check its address"
    ):
        parse_vector(document)


def test_response_that_may_be_incomplete_is_rejected() -> None:
    document = {**vector(), "warnings": ["a store does not respond"]}
    with pytest.raises(ConfigurationError, match="has warnings, so that targets may be missing"):
        parse_vector(document)
    assert parse_vector({**vector(), "warnings": []}) == ()


@pytest.mark.parametrize(
    "url",
    ["", "prometheus:9090", "ftp://a", "http://", "http://a:0", "http://a:x", "http://a?b=c"],
)
def test_url_of_another_form_is_rejected(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected http"):
        check_url("--prometheus", url)


def test_url_with_credentials_is_rejected_without_showing_them() -> None:
    with pytest.raises(ConfigurationError, match="netrc") as caught:
        check_url("--prometheus", "https://me:hunter2@prometheus")
    assert "hunter2" not in str(caught.value)


def test_url_with_a_path_is_kept() -> None:
    assert check_url("--prometheus", "https://host/prometheus/") == "https://host/prometheus"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (302, b"", "the response has the status 302"),
        (401, b"secret", "the response has the status 401"),
        (200, b"<html>", "JSONDecodeError"),
        (200, b"\xff", "UnicodeDecodeError"),
        (200, b"[" * 10**6, "RecursionError"),
        (200, b"{}", "the response is not that of Prometheus' query API; check its address"),
        (200, b" " * (MAX_RESPONSE + 1), f"the response has more than {MAX_RESPONSE} bytes"),
    ],
    ids=["redirect", "denied", "html", "binary", "nested", "other", "large"],
)
def test_server_that_is_not_prometheus_is_an_error(status: int, body: bytes, reason: str) -> None:
    described = Server(status=status, content=body, location="http://127.0.0.1:1/")
    with serve(described) as server, pytest.raises(ConfigurationError) as caught:
        query_prometheus(server.address, "up")
    assert str(caught.value) == (
        f"{server.address} cannot be queried: {reason}; check that Prometheus runs there"
    )
