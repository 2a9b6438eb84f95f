"""Requests to an HTTP API: a response that does not end in time, or too early."""

from __future__ import annotations

import pytest

from app_integration.errors import ConfigurationError
from tests.support.servers.local_server import Server, serve
from vault.prometheus.http_api import get_json


def test_response_whose_bytes_arrive_slowly_ends_at_the_deadline() -> None:
    with (
        serve(Server(content=b"[" + b" " * 500, drip=0.02)) as server,
        pytest.raises(ConfigurationError, match="not complete in time"),
    ):
        get_json(server.address, {}, deadline=1.5)


def test_response_that_is_cut_is_an_error_without_its_text() -> None:
    with (
        serve(Server(content=b'["s3cret"', missing=9)) as server,
        pytest.raises(ConfigurationError, match=r"^IncompleteRead$|^ProtocolError$"),
    ):
        get_json(server.address, {})
