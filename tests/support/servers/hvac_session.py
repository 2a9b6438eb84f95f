"""A session for hvac's client whose requests a server in memory handles."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import requests

from app_integration.testing.memory_vault import MemoryVault


class MemorySession(requests.Session):
    """A session that sends nothing: *server* handles each request."""

    def __init__(self, server: MemoryVault) -> None:
        super().__init__()
        self._server = server

    def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Return the response of the server. See :meth:`requests.Session.request`."""
        headers = options.get("headers") or {}
        parts = urlsplit(url)
        query = "&".join(
            each for each in (parts.query, urlencode(options.get("params") or {})) if each
        )
        answered = self._server.answer(
            method.upper(),
            unquote(parts.path.removeprefix("/v1/")) + (f"?{query}" if query else ""),
            token=headers.get("X-Vault-Token"),
            body=options.get("json"),
            wrap_ttl=headers.get("X-Vault-Wrap-TTL"),
        )
        response = requests.Response()
        response.status_code, response.url = answered.status, url
        response._content = answered.content
        response.headers["Content-Type"] = "application/json"
        return response
