"""Server in memory with an audit log, for tests that count its requests."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app_integration.auth.methods import AppRole, StaticToken
from app_integration.errors import ServerError
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.application import approle_files
from local.servers import audit_logs
from tests.support.polling import wait_until
from tests.support.servers.dev_server import AUTHORITY, ROOT_TOKEN, started_server

__all__ = ["ROOT_TOKEN", "AuditedServer", "audited_server"]


@dataclass
class AuditedServer:
    address: str
    folder: Path
    cacert: Path | None
    pid: int
    root: Session = field(init=False)

    def __post_init__(self) -> None:
        self.root = Session(self.address, StaticToken(Secret(ROOT_TOKEN)), cacert=self.cacert)

    def requests(self, path: str) -> list[dict[str, Any]]:
        """Return the audit entries of requests for the API path *path*, in order."""
        lines = (self.folder / "audit.log").read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if f'"path":"{path}"' in line]
        return [entry for entry in entries if entry["type"] == "request"]

    def count(self, path: str) -> int:
        return len(self.requests(path))

    def approle(self, folder: Path, name: str = "shop-dev", **options: Any) -> AppRole:
        role = f"auth/approle/role/{name}"
        self.root.delete(role)  # because an earlier test may have set other parameters
        self.root.post(role, options)
        role_id = self.root.get(f"{role}/role-id")["data"]["role_id"]
        secret_id = self.root.post(f"{role}/secret-id", retry=False)["data"]["secret_id"]
        return approle_files(folder, role_id, secret_id)

    def reload(self, devices: Sequence[str] = ("audit",)) -> None:
        """Let the server open its audit logs again, take exactly *devices*, and wait for them."""
        logs = [self.folder / f"{device}.log" for device in devices]
        (self.folder / "audit.hcl").write_text(audit_logs.declare(logs))
        os.kill(self.pid, signal.SIGHUP)
        wait_until(lambda: all(log.exists() for log in logs), "the logs of the audit devices")

    def await_single_writer(self, logs: Sequence[Path]) -> None:
        """Return once the server has each of *logs* open once.

        OpenBao opens a file a first time when it enables the device, and leaves that descriptor to
        its garbage collector, which requests bring about.
        """

        def has_single_writer() -> bool:
            self.root.get("sys/mounts")
            found = list(_open_files(self.pid))
            return all(found.count(str(log)) == 1 for log in logs)

        wait_until(has_single_writer, "one descriptor for each log")

    def allow(self, policy: str, *paths: str) -> None:
        rules = (f'path "{path}" {{ capabilities = ["read", "update"] }}' for path in paths)
        self.root.post(f"sys/policies/acl/{policy}", {"policy": "\n".join(rules)})


@contextmanager
def audited_server(
    folder: Path, *, tls: bool = False, logs: Sequence[str] = ("audit.log",)
) -> Iterator[AuditedServer]:
    """Run a server with :data:`ROOT_TOKEN` as root token, KV v2 at ``secret``, and AppRole."""
    configuration = folder / "audit.hcl"
    log_files = [folder / name for name in logs]
    configuration.write_text(audit_logs.declare(log_files))
    cacert = folder / AUTHORITY if tls else None
    option = f"-config={configuration}"
    with (
        (folder / "server.log").open("wb") as log,
        started_server(folder, folder if tls else None, option, log=log) as (address, pid),
    ):
        wait_until(lambda: cacert is None or _is_whole(cacert), "the server's certificates")
        server = AuditedServer(address, folder, cacert, pid)
        wait_until(lambda: _is_ready(server.root), "a ready server")
        audit_logs.enable_missing(server.root, log_files)
        server.root.post("sys/auth/approle", {"type": "approle"})
        with server.root:
            yield server


def _open_files(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield str(link.readlink())


def _is_ready(root: Session) -> bool:
    try:
        mounts = root.get("sys/mounts")["data"]
    except ServerError:
        return False
    return "secret/" in mounts


def _is_whole(certificate: Path) -> bool:
    return certificate.exists() and b"END CERTIFICATE" in certificate.read_bytes()
