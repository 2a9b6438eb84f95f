"""Events that the server's audit log and the database's log have of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from app_integration.session.session import Session
from tests.histories.history import Login, Request
from tests.support.servers.raft_cluster import AUDIT_DEVICE

_LOGIN: Final = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC \[\d+\] LOG:  "
    r"connection authorized: user=(v-\S+)"
)
_BEGIN: Final = '{"time":'  # of an entry
_LEASE_REQUESTS: Final = ("sys/leases/renew", "sys/leases/revoke")


def read_logins(log: Path, since: float) -> tuple[Login, ...]:
    """Return the logins of leased users that *log* has from *since* on."""
    logins = (
        Login(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp(), user)
        for at, user in _LOGIN.findall(log.read_text("utf-8", "replace"))
    )
    return tuple(each for each in logins if each.at >= since)


def read_requests(
    log: Path, since: float, operator: Session, logins: Iterable[Login]
) -> tuple[Request, ...]:
    """Return the requests that the audit log *log* has from *since* on.

    The log has hashes of leases and users, which the server resolves for *operator*.
    """
    found: dict[str, _Exchange] = {}
    for entry in _entries(log):
        exchange = found.setdefault(entry["request"]["id"], _Exchange())
        exchange.add(entry)
    exchanges = [each for each in found.values() if each.begun >= since]
    leases = {each.lease_id for each in exchanges if each.lease_id is not None}
    plain = _hashes(operator, leases | {each.username for each in logins})
    return tuple(each.resolve(plain) for each in exchanges)


@dataclass
class _Exchange:
    """The entries of one request."""

    request: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None

    def add(self, entry: Mapping[str, Any]) -> None:
        if entry["type"] == "request":
            self.request = entry
        else:
            self.response = entry

    @property
    def first(self) -> Mapping[str, Any]:
        found = self.request or self.response
        assert found is not None
        return found

    @property
    def begun(self) -> float:
        return _seconds(self.first)

    @property
    def result(self) -> Mapping[str, Any]:
        return (self.response or {}).get("response") or {}

    @property
    def lease_id(self) -> str | None:
        return (self.result.get("secret") or {}).get("lease_id")

    def resolve(self, plain: Mapping[str, str]) -> Request:
        """Return the request, with the texts of the hashes that *plain* has."""
        request = self.first["request"]
        data = request.get("data") or {}
        errors = [each.get("error", "") for each in (self.request, self.response) if each]
        found = Request(
            at=self.begun,
            request_id=request["id"],
            operation=request["operation"],
            path=request["path"],
            has_parameters=bool(data),
            ended=_seconds(self.response) if self.response else None,
            error=" ".join(filter(None, errors)),
            lease_id=self.lease_id,
            username=plain.get((self.result.get("data") or {}).get("username", "")),
        )
        if found.path not in _LEASE_REQUESTS:
            return found
        return replace(found, named_lease=plain.get(data.get("lease_id", "")))


def _entries(log: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the entries; a killed server may have left half a line, to which the next is glued."""
    for line in log.read_text("utf-8", "replace").splitlines():
        try:
            entry = json.loads(line[max(line.rfind(_BEGIN), 0) :])
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("request", {}).get("id"):
            yield entry


def _hashes(operator: Session, texts: Iterable[str]) -> dict[str, str]:
    """Return each of *texts* by its hash in the audit log."""
    path = f"sys/audit-hash/{AUDIT_DEVICE}"
    return {operator.post(path, {"input": text})["data"]["hash"]: text for text in sorted(texts)}


def _seconds(entry: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(entry["time"]).timestamp()
