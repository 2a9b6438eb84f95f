"""A response in the audit log: what was requested by whom, and whether it succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app_integration.names import HOST_KEY, ISSUED_KEY
from vault.audit.line import Event, parse_time

#: Keys of a token's metadata with the name of its role, by auth method.
_ROLE_KEYS: Final = ("role_name", "role", "cert_name")
_HMAC: Final = "hmac-"


@dataclass(frozen=True, slots=True)
class Response:
    """A request that the server carried out.

    *token*, *given_accessor* and *renewed* are HMACs of accessors, but *token* is its own HMAC for
    a batch token. *token_ttl* is in seconds, and *issued* is the name in the metadata of the
    secret-id. None stands for what the log does not say.
    """

    time: datetime
    operation: str
    path: str
    namespace: str
    role: str | None
    host: str | None
    display_name: str | None
    has_data: bool
    is_wrapped: bool
    secret_version: int | None = None
    key_version: int | None = None
    token: str | None = None
    token_ttl: int | None = None
    token_issued: datetime | None = None
    issued: str | None = None
    given_accessor: str | None = None
    renewed: str | None = None
    id: str = ""
    address: str | None = None
    policies: tuple[str, ...] = ()
    is_batch: bool = False


def find_role(metadata: Mapping[str, Any]) -> str | None:
    """Return the name of the role or user in the metadata of a token, None if it has none."""
    role = next((found for key in _ROLE_KEYS if (found := metadata.get(key)) is not None), None)
    return _plain(role) or _plain(metadata.get("username"))


def parse_response(event: Event) -> Response | None:
    """Return the request of a response line, None if it did not succeed.

    It did not if it was denied, failed, or asked for what does not exist. The error of some engines
    is only in the data of the response.
    """
    auth, request, response = (event.get(name) or {} for name in ("auth", "request", "response"))
    data, metadata = response.get("data") or {}, auth.get("metadata") or {}
    is_denied = (auth.get("policy_results") or {}).get("allowed") is False
    has_failed = data.get("error") is not None or (data.get("http_status_code") or 0) >= 400  # noqa: PLR2004
    is_query = request.get("operation") in {"read", "list"}
    if event.get("error") or is_denied or has_failed or (is_query and _is_empty(response)):
        return None
    issued = auth.get("token_issue_time")
    return Response(
        time=datetime.fromisoformat(event["time"]),
        operation=request.get("operation") or "",
        path=request.get("path") or "",
        namespace=((request.get("namespace") or {}).get("path") or "").rstrip("/"),
        role=find_role(metadata),
        host=_plain(metadata.get(HOST_KEY)),
        display_name=_plain(auth.get("display_name")),
        has_data=response.get("data") is not None,
        is_wrapped=response.get("wrap_info") is not None,
        secret_version=(data.get("metadata") or {}).get("version"),
        key_version=_key_version(data),
        token=auth.get("accessor") or auth.get("client_token") or None,
        token_ttl=auth.get("token_ttl"),
        token_issued=parse_time(issued) if issued else None,
        issued=_plain(metadata.get(ISSUED_KEY)),
        given_accessor=(request.get("data") or {}).get("accessor") or None,
        renewed=(response.get("auth") or {}).get("accessor") or None,
        id=request.get("id") or "",
        address=request.get("remote_address") or None,
        policies=tuple(each for each in auth.get("policies") or () if each is not None),
        is_batch=not auth.get("accessor"),
    )


def _is_empty(response: Mapping[str, Any]) -> bool:
    """Return whether a response has nothing that was asked for."""
    lease = (response.get("secret") or {}).get("lease_id")
    token = (response.get("auth") or {}).get("accessor") or None
    parts = (response.get("data"), response.get("wrap_info"), lease, token)
    return all(each is None for each in parts)


def _key_version(data: Mapping[str, Any]) -> int | None:
    items = [data] if data.get("key_version") is not None else data.get("batch_results") or ()
    found = [(each or {}).get("key_version") for each in items]
    return max((each for each in found if each is not None), default=None)


def _plain(name: Any) -> str | None:
    """Return a name, None if there is none or the log has only its HMAC."""
    return name if name and not name.startswith(_HMAC) else None
