"""A response in the audit log: what was requested by whom, and whether it succeeded.

Everything of a line may have any type, because the line comes from a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app_integration.names import HOST_KEY, ISSUED_KEY
from vault.reconcile.server_time import parse_time

#: Keys of a token's metadata with the name of its role or user, by auth method.
_ROLE_KEYS: Final = ("role_name", "role", "cert_name", "username")
_HMAC: Final = "hmac-"


@dataclass(frozen=True, slots=True)
class Response:
    """A request that the server carried out.

    Attributes:
        token: HMAC of the accessor of the token; of a batch token, which has none, its own HMAC.
        token_ttl: Seconds for which the token is valid after it was issued or renewed, None if the
            log does not say so.
        token_issued: When it was issued, None if the log does not say so.
        role: Name of the role or user that the token was issued to, None if it has none.
        host: Host in the metadata of the secret-id that it was issued for, None if it has none.
        display_name: The server's name of the token, such as ``root``, None if it has none.
        issued: Name in the metadata of the secret-id that it was issued for, None if it has none.
        has_data: Whether the response has data.
        is_wrapped: Whether the response was wrapped. The log has no data of it then.
        secret_version: Version of the secret that was read, None if the data has none.
        key_version: Version of the key that encrypted, None if the data has none. Of a batch, it is
            the newest one.
        given_accessor: HMAC of the accessor in the data of the request, None if there is none.
        renewed: HMAC of the accessor of the token that was issued or renewed, None if none was.
        id: The request's id, the same in the log of each audit device; empty if it has none.
        address: Address of the client, None if it came through a socket.
        policies: Policies of the token.
        is_batch: Whether the token is a batch token, which the server does not list.

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
    return next(filter(None, (_name(metadata, key) for key in _ROLE_KEYS)), None)


def parse_response(document: Mapping[str, Any]) -> Response | None:
    """Return the request of a response line, None if it did not succeed.

    It did not if it was denied, failed, or asked for what does not exist. The error of some engines
    is only in the data of the response.

    Args:
        document: The decoded line.

    """
    auth, request = _mapping(document, "auth"), _mapping(document, "request")
    response = _mapping(document, "response")
    data = response.get("data")
    data = data if isinstance(data, Mapping) else None
    time = parse_time(document["time"])
    if time is None or document.get("error") or _is_denied(auth) or _has_failed(data):
        return None
    metadata = _mapping(auth, "metadata")
    return Response(
        time=time,
        operation=str(request.get("operation")),
        path=str(request.get("path")),
        namespace=str(_mapping(request, "namespace").get("path") or "").strip("/"),
        role=find_role(metadata),
        host=_name(metadata, HOST_KEY),
        display_name=_name(auth, "display_name"),
        has_data=data is not None,
        is_wrapped=bool(response.get("wrap_info")),
        secret_version=_whole(_mapping(data or {}, "metadata"), "version"),
        key_version=_key_version(data or {}),
        token=_text(auth, "accessor") or _text(auth, "client_token"),
        token_ttl=_whole(auth, "token_ttl"),
        token_issued=parse_time(issued) if (issued := _text(auth, "token_issue_time")) else None,
        issued=_name(metadata, ISSUED_KEY),
        given_accessor=_text(_mapping(request, "data"), "accessor"),
        renewed=_text(_mapping(response, "auth"), "accessor"),
        id=_text(request, "id") or "",
        address=_text(request, "remote_address"),
        policies=_texts(auth, "policies"),
        is_batch=_text(auth, "accessor") is None,
    )


def _is_denied(auth: Mapping[str, Any]) -> bool:
    return _mapping(auth, "policy_results").get("allowed") is False


def _has_failed(data: Mapping[str, Any] | None) -> bool:
    if data is None:
        return False
    status = data.get("http_status_code")
    return data.get("error") is not None or (isinstance(status, int) and status >= 400)  # noqa: PLR2004


def _key_version(data: Mapping[str, Any]) -> int | None:
    batch = data.get("batch_results")
    results = batch if isinstance(batch, list) else [data]
    found = [_whole(each, "key_version") for each in results if isinstance(each, Mapping)]
    return max(filter(None, found), default=None)


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(data: Mapping[str, Any], key: str) -> str | None:
    found = data.get(key)
    return found if isinstance(found, str) and found else None


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = data.get(key)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _whole(data: Mapping[str, Any], key: str) -> int | None:
    found = data.get(key)
    return found if type(found) is int else None


def _name(data: Mapping[str, Any], key: str) -> str | None:
    """Return a name, None if there is none or the log has only its HMAC."""
    found = data.get(key)
    is_name = isinstance(found, str) and found and not found.startswith(_HMAC)
    return str(found) if is_name else None
