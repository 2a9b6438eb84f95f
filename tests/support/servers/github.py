"""GitHub's part in a login: the endpoint where a job gets the token that is signed for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.servers.issuer import Signer
from tests.support.servers.local_server import Server

ISSUER = "https://token.actions.githubusercontent.com"
BEARER = "the job's own"


@dataclass
class GitHub(Server):
    signer: Signer = field(default_factory=lambda: Signer(ISSUER))
    claims: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    on_request: Callable[[], None] = lambda: None

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of a job that may request its token."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.address}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER,
        }

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        self.on_request()
        allowed = request.headers["Authorization"] == f"bearer {BEARER}"
        (audience,) = parse_qs(urlsplit(request.path).query)["audience"]
        claims: dict[str, Any] = {"aud": audience, **self.claims}
        content = json.dumps({"value": self.signer.token(**claims) if allowed else ""}).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
