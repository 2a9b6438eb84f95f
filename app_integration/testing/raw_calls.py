"""Requests of hvac for the server in memory, in the form that the SDK's own requests have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from app_integration.mounts import Mounts
from app_integration.testing.http import ServerResponse, UnsupportedCall, unsupported_feature
from app_integration.transport.raw_call import RawCall
from app_integration.transport.responses import Response, check_status

#: Paths whose bodies are no JSON, so that no engine would see the request.
_OF_BYTES: Final = "sys/storage/"
_WRAP_HEADER: Final = "x-vault-wrap-ttl"
#: The headers of a response with a body.
_JSON: Final = {"Content-Type": "application/json"}
#: Takes the method, the path with its query, the body, and the TTL of a wrapped response; returns
#: the response and its encoded body.
Answer = Callable[[str, str, object, str | None], tuple[ServerResponse, bytes]]


def answer_call(call: RawCall, answer: Answer, mounts: Mounts) -> Response:
    """Return the response to *call*, which also has it in case of an error.

    Args:
        call: The request.
        answer: Returns the response of the server.
        mounts: Where the engines and the AppRole method are.

    Raises:
        ServerError: If the status is an error other than 403, or a fault is injected.
        AccessDenied: If the status is 403.
        UnsupportedCall: If the server does not do what *call* asks for.

    """
    call.response = response = _parse_and_answer(call, answer)
    if not call.reports_status:
        check_status(call.method, call.path, response, mounts)
    return response


def _parse_and_answer(call: RawCall, answer: Answer) -> Response:
    if call.path.startswith(_OF_BYTES):
        found = unsupported_feature("snapshots").response
        raise UnsupportedCall(f"{call}: {found.unsupported}")
    try:
        body = json.loads(call.body) if call.body else None
    except ValueError:
        errors = {"errors": ["failed to parse JSON input"]}
        return Response(400, json.dumps(errors).encode(), headers=_JSON)
    headers = {name.lower(): value for name, value in call.headers.items()}
    path, separator, query = call.target.partition("?")
    target = f"{unquote(path)}{separator}{query}"
    found, content = answer(call.method, target, body, headers.get(_WRAP_HEADER))
    if found.unsupported:
        raise UnsupportedCall(f"{call}: {found.unsupported}")
    return Response(found.status, content, headers=_JSON)
