"""Calls of the server's API that are played on two servers, and responses made comparable."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import urllib3

from app_integration.testing.dev_server import RealServer
from app_integration.testing.http import UNSUPPORTED
from app_integration.testing.memory_vault import MemoryVault
from tests.support.polling import wait_until

#: Sends (method, path, token, body, wrap TTL) and returns the status and the JSON of the response.
Exchange = Callable[[str, str, str | None, Any, str | None], tuple[int, Any]]
ROOT: Final = "<root>"
_TIMEOUT: Final = 10.0  # seconds
_MOUNTS: Final[Mapping[str, Any]] = {
    "sys/mounts/<kv>": {"type": "kv", "options": {"version": "2"}},
    "sys/mounts/<transit>": {"type": "transit"},
    "sys/auth/<approle>": {"type": "approle"},
}
_START: Final = 20.0  # seconds


@dataclass(frozen=True)
class Call:
    """A request, with what to keep of its response.

    In its strings ``<name>`` stands for a value that was kept under that name.
    """

    method: str
    path: str
    body: Any = None
    token: str | None = ROOT
    wrap_ttl: str | None = None
    keep: Mapping[str, str] = field(default_factory=dict)
    refused: bool = False
    shared: bool = False


@dataclass(frozen=True)
class Paths:
    """The calls of the paths below *base*."""

    base: str

    def get(self, path: str, token: str | None = ROOT) -> Call:
        return Call("GET", f"{self.base}/{path}", token=token)

    def post(self, path: str, body: Any = None, token: str | None = ROOT, **keep: str) -> Call:
        return Call("POST", f"{self.base}/{path}", body, token=token, keep=keep)

    def refused(self, path: str, body: Any = None, method: str = "POST") -> Call:
        return Call(method, f"{self.base}/{path}", body, refused=True)


#: Sends calls to both servers, and returns what differs.
Compare = Callable[[list[Call]], list[object]]


@dataclass(frozen=True)
class Outcome:
    """The comparable part of one response."""

    status: int
    body: Any
    is_refusal: bool = field(default=False, compare=False)


def memory_exchange(server: MemoryVault) -> Exchange:
    def exchange(
        method: str, path: str, token: str | None, body: Any, wrap_ttl: str | None
    ) -> tuple[int, Any]:
        response = server.answer(method, path, token=token, body=body, wrap_ttl=wrap_ttl)
        return response.status, json.loads(response.content) if response.content else None

    return exchange


def real_exchange(server: RealServer) -> Exchange:
    pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)

    def exchange(
        method: str, path: str, token: str | None, body: Any, wrap_ttl: str | None
    ) -> tuple[int, Any]:
        patch = "application/merge-patch+json" if method == "PATCH" else "application/json"
        given = {"X-Vault-Token": token, "X-Vault-Wrap-TTL": wrap_ttl, "Content-Type": patch}
        headers = {name: value for name, value in given.items() if value is not None}
        content = None if body is None else json.dumps(body).encode()
        url = f"{server.address}/v1/{path}"
        response = pool.request(method, url, body=content, headers=headers)
        return response.status, json.loads(response.data) if response.data else None

    return exchange


def add_mounts(exchange: Exchange, values: Mapping[str, str]) -> None:
    for path, body in _MOUNTS.items():
        exchange("POST", _fill(path, values), values["root"], body, None)
    config = _fill("<kv>/config", values)

    def is_ready() -> bool:
        return exchange("GET", config, values["root"], None, None)[0] < 400

    # Because a new KV mount rejects requests for a moment.
    wait_until(is_ready, "the KV mount is ready", _START)


def play(calls: Iterable[Call], exchange: Exchange, known: Mapping[str, str]) -> list[Outcome]:
    """Send *calls* in order and return the comparable outcomes."""
    values, outcomes = {**known}, []
    for call in calls:
        path, token, body = (_fill(each, values) for each in (call.path, call.token, call.body))
        wrap_ttl = _fill(call.wrap_ttl, values)
        status, found = exchange(call.method, path, token, body, wrap_ttl)
        values |= {name: _pick(found, where) for name, where in call.keep.items()}
        body = _comparable(_own(found, values["n"]) if call.shared else found, values)
        outcomes.append(Outcome(status, body, UNSUPPORTED in str(found)))
    return outcomes


def differences(
    calls: list[Call], memory: list[Outcome], real: list[Outcome]
) -> list[tuple[Call, Outcome, Outcome]]:
    """Return the calls whose outcomes differ, and those not refused that should be."""
    return [
        (call, ours, theirs)
        for call, ours, theirs in zip(calls, memory, real, strict=True)
        if (not ours.is_refusal if call.refused else ours != theirs)
    ]


def _fill(value: Any, values: Mapping[str, str]) -> Any:
    """Return *value* with each ``<name>`` replaced, in keys, too."""
    if isinstance(value, str):
        return re.sub(r"<(\w+)>", lambda found: values[found[1]], value)
    if isinstance(value, Mapping):
        return {_fill(key, values): _fill(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, values) for inner in value]
    return value


def _pick(body: Any, where: str) -> str:
    for key in where.split("."):
        body = body[int(key) if isinstance(body, list) else key]
    return str(body)


#: Fields that OpenBao has of its own, or that say when a request was handled.
_DROPPED: Final = {
    *("request_id", "warnings", "mount_type", "current_metadata_version", "uuid", "commit_date"),
    *("running_plugin_version", "plugin_version", "running_sha256", "deprecation_status"),
    *("cluster_name", "cluster_id", "server_time_utc", "version_of_server", "build_date"),
    *("modified", "last_renewal", "last_renewal_time", "last_updated_time"),
}
#: Fields that are random or times: compared by type, and by whether they are empty.
_VARYING: Final = {
    *("created_time", "deletion_time", "updated_time", "creation_time", "expire_time"),
    *("issue_time", "expiration_time", "accessor", "client_token", "id", "secret_id"),
    *("secret_id_accessor", "role_id", "ciphertext", "signature", "hmac", "public_key"),
    *("random_bytes", "token", "wrapped_accessor", "entity_id"),
}
_TIMED: Final = {"ttl", "lease_duration"}  # seconds, of which some have passed


def _own(value: Any, name: str) -> Any:
    """Return *value* without what its lists and mounts have from other tests."""
    if isinstance(value, dict):
        return {
            key: _own(inner, name)
            for key, inner in value.items()
            if not key.endswith("/") or name in key
        }
    if isinstance(value, list):
        return [each for each in value if name in str(each) or each in ("default", "root")]
    return value


def _comparable(value: Any, values: Mapping[str, str], key: str = "") -> Any:
    if isinstance(value, dict):
        kept = {
            _generic(name, values): _comparable(inner, values, name)
            for name, inner in value.items()
            if name not in _DROPPED
        }
        return _mask_key_times(kept)
    if isinstance(value, list):
        return [_comparable(inner, values, key) for inner in value if UNSUPPORTED not in str(inner)]
    if key in _TIMED and isinstance(value, int):
        return round(value / 10)
    if key in _VARYING and isinstance(value, str | int):
        return f"<{type(value).__name__}>" if value else value
    if key == "errors":
        return _plain_error(_generic(str(value), values))
    return _generic(value, values) if isinstance(value, str) else value


def _mask_key_times(fields: dict[str, Any]) -> dict[str, Any]:
    """Return *fields* with the Unix times of key versions made comparable."""
    keys = fields.get("keys")
    if isinstance(keys, dict):
        fields["keys"] = {
            number: "<int>" if isinstance(created, int) else created
            for number, created in keys.items()
        }
    return fields


def _generic(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with kept values replaced by their names."""
    for name, value in values.items():
        text = text.replace(value, f"<{name}>") if value else text
    return text


def _plain_error(text: str) -> str:
    """Return the message without the frames that differ between versions of the server."""
    text = text.replace("1 error occurred:", "").replace("Field validation failed:", "")
    text = text.replace("decoding failed due to the following error(s):", "1 error(s) decoding:")
    text = re.sub(r", value: '[^']*'", "", re.sub(r"at input byte \d+", "at input byte", text))
    return re.sub(r"[\s*]+", " ", text).strip()
