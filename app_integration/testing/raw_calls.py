"""Requests of hvac for the server in memory, in the form that the SDK's own requests have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from app_integration.mounts import Mounts
from app_integration.transport.raw_call import RawCall
from app_integration.transport.responses import Response, check_status

#: What an engine says to a call that it does not know. A real server may know it.
_UNKNOWN: Final = re.compile(b"unsupported (path|operation)|no handler for route")
#: Paths that need no token on a real server.
_WITHOUT_TOKEN: Final = {"sys/init", "sys/leader", "sys/seal-status", "sys/unseal"}
#: Paths whose bodies are no JSON, so that no engine would see the request.
_OF_BYTES: Final = "sys/storage/"
_PARAMETERS: Final = {"list", "version"}
_NOT_FOUND: Final = {404, 405}
_TRUE: Final = {"1", "t", "true"}
_DURATION: Final = re.compile(r"(\d+)([smh]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}


#: The headers of a response with a body.
JSON: Final = {"Content-Type": "application/json"}
#: Takes the method, the path with its query, the body, and the seconds of a wrapped response.
Answer = Callable[[str, str, Mapping[str, Any] | None, int | None], Response]


def answer_call(call: RawCall, answer: Answer, mounts: Mounts) -> Response:
    """Return the response to *call*, which also has it in case of an error.

    Args:
        call: The request.
        answer: Returns the response of the server.
        mounts: Where the engines and the AppRole method are.

    Raises:
        ServerError: If the status is an error other than 403, or a fault is injected.
        AccessDenied: If the status is 403.
        NotImplementedError: If the server does not know the call. hvac takes a 404 for an absent
            value, so that a test would go on with None.

    """
    call.response = response = _parse_and_answer(call, answer) if _is_known(call) else None
    if response is None or _is_unknown(response):
        raise NotImplementedError(
            f"the server in memory does not know {call}; use the fixture real_vault"
        )
    if not call.reports_status:
        check_status(call.method, call.path, response, mounts)
    return response


def _parse_and_answer(call: RawCall, answer: Answer) -> Response:
    path, _, query = call.target.partition("?")
    headers = {name.lower(): value for name, value in call.headers.items()}
    try:
        body, wrap_ttl = _parse_body(call.body), _seconds(headers.get("x-vault-wrap-ttl"))
    except ValueError as error:
        return Response(400, json.dumps({"errors": [str(error)]}).encode(), headers=JSON)
    plain = unquote(path)
    target = f"{plain}?{query}" if query else plain
    response = answer(_method(call.method, query), target, body, wrap_ttl)
    return replace(response, content=b"") if call.method == "HEAD" else response


def _is_known(call: RawCall) -> bool:
    """Return whether the server knows the path and each parameter of *call*."""
    parameters = parse_qs(call.target.partition("?")[2], keep_blank_values=True)
    is_unknown = call.path in _WITHOUT_TOKEN or call.path.startswith(_OF_BYTES)
    return not is_unknown and parameters.keys() <= _PARAMETERS


def _is_unknown(response: Response) -> bool:
    return response.status in _NOT_FOUND and bool(_UNKNOWN.search(response.content))


def _method(method: str, query: str) -> str:
    if method == "GET" and parse_qs(query).get("list", [""])[0].lower() in _TRUE:
        return "LIST"
    return {"PUT": "POST", "HEAD": "GET"}.get(method, method)


def _parse_body(content: bytes | None) -> Mapping[str, Any] | None:
    if not content:
        return None
    body = json.loads(content)
    if not isinstance(body, dict):
        raise ValueError("failed to parse JSON input")  # noqa: TRY004 (answered as any other)
    return body


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("invalid duration")
    return int(found[1]) * _SECONDS[found[2]]
