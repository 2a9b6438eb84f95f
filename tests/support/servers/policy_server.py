"""Server that is asked what the policies of a token allow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import requests

from policies.acl.request import Request
from tests.support.servers.dev_server import ROOT_TOKEN, dev_server

#: Mount of KV version 1, which tells a new entry from an existing one.
MOUNT: Final = "k1"
_METHODS: Final = {"create": "PUT", "update": "PUT", "read": "GET"}
_REFUSED: Final = 403


@dataclass
class PolicyServer:
    """A server with KV version 1 at :data:`MOUNT`."""

    address: str
    _session: requests.Session = field(default_factory=requests.Session)

    def ask(
        self, method: str, path: str, token: str = ROOT_TOKEN, **given: Any
    ) -> requests.Response:
        """Return the response to a request."""
        headers = {"X-Vault-Token": token, **given.pop("headers", {})}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
            given = {"data": json.dumps(given.get("json", {}))}
        return self._session.request(
            method, f"{self.address}/v1/{path}", headers=headers, timeout=30, **given
        )

    def login(self, policies: Mapping[str, str]) -> str:
        """Return a token that has *policies* alone: the text of each by its name."""
        for name, text in policies.items():
            written = self.ask("PUT", f"sys/policies/acl/{name}", json={"policy": text})
            assert written.ok, (written.text, text)
        body = {"policies": list(policies), "no_default_policy": True, "type": "batch"}
        created = self.ask("POST", "auth/token/create", json=body)
        assert created.ok, created.text
        return str(created.json()["auth"]["client_token"])

    def capabilities(self, token: str, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the capabilities of *token* on each of *paths*."""
        response = self.ask("POST", "sys/capabilities", json={"token": token, "paths": paths})
        assert response.ok, response.text
        return {path: tuple(response.json()["data"][path]) for path in paths}

    def allows(self, token: str, path: str, request: Request) -> bool:
        """Return whether the server carries the request out, or refuses it for another reason."""
        if path.endswith("/") and request.operation not in {"list", "scan"}:
            # A write there always is a create for the mount.
            return request.operation in self.capabilities(token, [path])[path]
        if request.operation in {"create", "update"}:
            method = "PUT" if request.operation == "update" else "DELETE"
            self.ask(method, path, json={"there": "yes"}).raise_for_status()
        method = _METHODS.get(request.operation, request.operation.upper())
        place = "params" if method in {"GET", "LIST", "SCAN"} else "json"
        given: dict[str, Any] = {place: dict(request.parameters)} if request.parameters else {}
        if request.wrap_ttl:
            given["headers"] = {"X-Vault-Wrap-TTL": f"{request.wrap_ttl}s"}
        return self.ask(method, path, token, **given).status_code != _REFUSED


@contextmanager
def policy_server() -> Iterator[PolicyServer]:
    """Run a server in memory."""
    with dev_server() as address:
        server = PolicyServer(address)
        server.ask("POST", f"sys/mounts/{MOUNT}", json={"type": "kv"}).raise_for_status()
        yield server
