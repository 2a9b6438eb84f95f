"""Reading of a server's response, and decoding into JSON or the error that its status stands for.

hvac's own exceptions are never raised: their text is the response body, which for a Transit batch
holds the plaintexts of other items. For the same reason no local variable of a frame that raises an
error shows content in its ``repr``: a traceback may be printed with them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import urllib3

from app_integration import permissions
from app_integration._internal.escapes import escape_unprintable
from app_integration.errors import (
    AccessDenied,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerFault,
    StrongroomError,
    UnexpectedAnswer,
)
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.transport.request import Request, Response

MAX_RESPONSE: Final = 64 * 2**20  # bytes; a batch of the largest values is smaller
_CHUNK: Final = 64 * 1024  # bytes, for one read
_STANDBY: Final = {412, 472, 473}  # from a standby that does not forward
_SEALED: Final = {501, 503}
#: Below these paths, and those of the database engine, the server's error messages do not repeat
#: what was sent or stored. They are dropped elsewhere, whatever is mounted there.
_SYSTEM_PATHS: Final = ("sys/", "auth/", "identity/")
_WRAPPING: Final = "sys/wrapping/"
_MAX_REASON: Final = 300  # characters of the server's own message in an error
#: What replaces an error message of the server that may repeat a secret.
HIDDEN_ERROR: Final = "the message of the server is left out, because it may repeat a secret"
#: Error messages of the server that repeat nothing, whatever the path.
_FIXED_ERRORS: Final = {
    "check-and-set parameter did not match the current version",
    "check-and-set parameter required for this call",
    "cipher: message authentication failed",
    "encryption key not found",
    "invalid ciphertext: no prefix",
    "lease not found",
    "missing client token",
    "no data provided",
    "permission denied",
    "wrapping token is not valid or does not exist",
}


class ResponseTooLarge(urllib3.exceptions.HTTPError):
    """A response of more than :data:`MAX_RESPONSE` bytes."""


def read_whole(response: urllib3.BaseHTTPResponse, *, has_body: bool = True) -> Response:
    """Read the response in chunks, to reject one that is too large before memory fills."""
    chunks, size = [], 0
    while chunk := response.read1(_CHUNK, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_RESPONSE:
            raise ResponseTooLarge(f"the response is larger than {MAX_RESPONSE} bytes")
    headers = response.headers
    has_end = not has_body or response.chunked or "Content-Length" in headers
    if not has_end and response.status != HTTPStatus.NO_CONTENT:
        # Rejected because nothing marks its end: a response that was cut off within its headers
        # would look like an empty one.
        raise urllib3.exceptions.ProtocolError
    return Response(response.status, b"".join(chunks), headers)


def _retry_after(response: Response) -> float | None:
    """Return the seconds to wait; None for none and for a date, which these servers never send."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def accept(request: Request, response: Response, mounts: Mounts = DEFAULT_MOUNTS) -> Response:
    """Keep *response* in *request*, decode it if the SDK requested it, and return it.

    An error status raises the error that it stands for. See :meth:`.RequestSender.exchange`.
    """
    request.response = response
    is_error = response.status >= HTTPStatus.BAD_REQUEST
    if request.retry is None and (not is_error or request.reports_status):
        return response  # because the application's body may have any form
    error: StrongroomError | None = None
    try:
        body = _json(response.content)
        if is_error:
            error = _failure(request, response, body or {}, mounts)
    except RecursionError:  # in the decoder, or in str() of the server's error messages
        body = None
    if body is not None and HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        response.payload = body
        return response
    del body  # because a traceback may show local variables
    raise error or UnexpectedAnswer(
        f"{request}: this is not the response of a Vault server; check VAULT_ADDR"
    )


def _json(content: bytes) -> dict[str, Any] | None:
    """Return the object in *content*: ``{}`` if it is empty, None if it is not a JSON object."""
    if not content:
        return {}
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _failure(
    request: Request, response: Response, body: Mapping[str, Any], mounts: Mounts
) -> StrongroomError:
    path, status = request.path, response.status
    if status == HTTPStatus.FORBIDDEN:
        rule = permissions.policy_rule(request.method, path, mounts)
        return AccessDenied(
            f"{request}: denied or absent; check the name, and that it was applied, or add {rule}"
        )
    if status in _SEALED:
        return Sealed(
            f"{request}: the server is sealed or not initialised; have an operator unseal it"
        )
    message = f"{request}: status {status}{_reason(path, body, mounts)}"
    if status in _STANDBY:
        return RateLimited(f"{message}; call again, or address the active node", not_sent=True)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(
            f"{message}; call again later, and less often", retry_after=_retry_after(response)
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerFault(f"{message}{_hint(path, mounts)}")
    data = _safe_data(status, body.get("data"))
    return RequestRefused(f"{message}; check its path and values", status=status, data=data)


def _safe_data(status: int, data: object) -> dict[str, Any] | None:
    """Return the part of a response's *data* that an error may hold.

    A 404 of KV says which version was deleted. A batch says which items failed; the results of the
    other items are plaintexts, so that they are dropped.
    """
    if not isinstance(data, Mapping):
        return None
    if status == HTTPStatus.NOT_FOUND:
        return dict(data)
    results = data.get("batch_results")
    if not isinstance(results, list):
        return {}
    return {
        "batch_results": [
            {"error": each["error"]} if isinstance(each, Mapping) and each.get("error") else {}
            for each in results
        ]
    }


def redact_body(path: str, response: Response, mounts: Mounts) -> dict[str, Any]:
    """Return the body of an error response without what may repeat a secret."""
    try:
        body = _json(response.content) or {}
    except RecursionError:
        return {"errors": []}
    if response.status == HTTPStatus.NOT_FOUND:
        return body
    errors, data = body.get("errors"), _safe_data(response.status, body.get("data"))
    found: dict[str, Any] = {} if data is None else {"data": data}
    if isinstance(errors, list):
        sensitive = _is_sensitive(path, mounts)
        found["errors"] = [_redact_error(str(each), sensitive=sensitive) for each in errors]
    return found


def _redact_error(message: str, *, sensitive: bool) -> str:
    known = " ".join(message.replace("1 error occurred:", "").replace("* ", "").split())
    return HIDDEN_ERROR if sensitive and known not in _FIXED_ERRORS else message[:_MAX_REASON]


def _is_sensitive(path: str, mounts: Mounts) -> bool:
    """Return whether the server's error messages for *path* may repeat a secret."""
    if path.startswith((_WRAPPING, permissions.lease_prefix(mounts))):
        return True
    return not path.startswith((*_SYSTEM_PATHS, f"{mounts.database}/"))


def _hint(path: str, mounts: Mounts) -> str:
    """Return what to check. If a user cannot be leased, the reason may repeat a secret."""
    if not path.startswith(permissions.lease_prefix(mounts)):
        return "; look at the server's log"
    return (
        ": the user cannot be leased; check that the database is running and that the server"
        " reaches it, and look for the reason in the server's log"
    )


def _reason(path: str, body: Mapping[str, Any], mounts: Mounts) -> str:
    errors = body.get("errors")
    if _is_sensitive(path, mounts) or not isinstance(errors, list) or not errors:
        return ""
    text = " ".join("; ".join(map(str, errors)).split())[:_MAX_REASON]
    return f": {escape_unprintable(text)}"
