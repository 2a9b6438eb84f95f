"""Driver of a server with an audit log, and a store of the lines that its requests leave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import urllib3

from tests.support.servers.audited_server import ROOT_TOKEN, AuditedServer
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.source import Source

Line = dict[str, Any]


class Driver:
    """Sender of real requests to a server, which returns the lines that they leave in its log."""

    def __init__(self, server: AuditedServer) -> None:
        self._server = server
        self._offset = 0
        self._pools: dict[str, urllib3.PoolManager] = {}

    def send(
        self,
        method: str,
        path: str,
        token: str = "",
        body: Mapping[str, Any] | None = None,
        *,
        address: str = "127.0.0.1",
        **headers: str,
    ) -> dict[str, Any]:
        """Send a request, and return the response, whatever its status."""
        pool = self._pools.setdefault(address, urllib3.PoolManager(source_address=(address, 0)))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["X-Vault-Token"] = token
        url = f"{self._server.address}/v1/{path}"
        response = pool.request(method, url, json=body, headers=named, timeout=10)
        return dict(response.json()) if response.data else {}

    def login(self, role: str, host: str | None = None, **options: Any) -> str:
        """Create the AppRole *role*, and return a token of a secret-id that names *host*."""
        self.send("POST", f"auth/approle/role/{role}", ROOT_TOKEN, options)
        role_id = self.send("GET", f"auth/approle/role/{role}/role-id", ROOT_TOKEN)["data"]
        metadata = {"metadata": json.dumps({"host": host})} if host else {}
        secret_id = self.send("POST", f"auth/approle/role/{role}/secret-id", ROOT_TOKEN, metadata)
        body = {"role_id": role_id["role_id"], "secret_id": secret_id["data"]["secret_id"]}
        return self.token("auth/approle/login", body)

    def person(self, name: str, policies: str) -> str:
        """Create a person with a password, and return a token."""
        password = {"password": "invented-password"}
        self.send("POST", "sys/auth/userpass", ROOT_TOKEN, {"type": "userpass"})
        user = f"auth/userpass/users/{name}"
        self.send("POST", user, ROOT_TOKEN, password | {"token_policies": policies})
        return self.token(f"auth/userpass/login/{name}", password)

    def token(self, path: str, body: Mapping[str, Any]) -> str:
        return str(self.send("POST", path, "", body)["auth"]["client_token"])

    def lines(self) -> list[Line]:
        content = (self._server.folder / "audit.log").read_bytes()[self._offset :]
        self._offset += len(content)
        return [json.loads(line) for line in content.splitlines()]


def shifted(lines: Iterable[Line], by: timedelta) -> list[Line]:
    """Return *lines* at another time, with other ids of their requests."""
    ids: dict[str, str] = {}
    moved = []
    for line in lines:
        request = line["request"]
        identity = ids.setdefault(request["id"], str(uuid4()))
        time = datetime.fromisoformat(line["time"][:19]) + by
        changed = {"time": f"{time.isoformat()}{line['time'][19:]}", "request": None}
        moved.append({**line, **changed, "request": {**request, "id": identity}})
    return moved


def write_store(folder: Path, *devices: Iterable[Line]) -> Path:
    """Ingest the lines of each device into a store, and return its folder."""
    folder.mkdir()
    sources = []
    for number, lines in enumerate(devices):
        log = folder / f"audit-{number}.log"
        log.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        sources.append(Source.server_log(log))
    ingest(sources, folder / "store")
    return folder / "store"
