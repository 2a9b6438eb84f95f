"""Substitute for ``requests.Session`` in hvac's adapters, on urllib3's pooled connections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from app_integration._internal.tracing import correlation_headers
from app_integration.transport.responses import Response, read_whole


class PooledSession:
    """A substitute for ``requests.Session`` in hvac's adapter, backed by one connection pool."""

    verify = cert = proxies = None

    def __init__(self, connections: HTTPConnectionPool) -> None:
        self._connections = connections

    def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        content: Mapping[str, Any] | None,
        timeout: urllib3.Timeout,
        **_: Any,
    ) -> Response:
        """Send one request and return the whole response; never redirect or retry."""
        data = None
        if content is not None:
            data = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        return self.exchange(method, url, headers, data, timeout)

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        data: bytes | None,
        timeout: urllib3.Timeout,
    ) -> Response:
        """Send one request with an encoded body, and the id of the current trace."""
        response = self._connections.urlopen(
            method,
            url,
            body=data,
            headers={**headers, **correlation_headers()},
            timeout=timeout,
            redirect=False,
            preload_content=False,
        )
        with closing(response):
            return read_whole(response, has_body=method != "HEAD")
