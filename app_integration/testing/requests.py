"""Requests to the server in memory, as a network would carry them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from app_integration.testing.http import ServerResponse, UnsupportedCall, unsupported_feature
from app_integration.transport.request import Request, Response

#: Paths whose bodies are no JSON, so that no engine would see the request.
_OF_BYTES: Final = "sys/storage/"
_WRAP_HEADER: Final = "x-vault-wrap-ttl"
#: The headers of a response with a body.
_JSON: Final = {"Content-Type": "application/json"}
#: Takes the method, the path with its query, the body, and the TTL of a wrapped response; returns
#: the response and its encoded body.
Answer = Callable[[str, str, object, str | None], tuple[ServerResponse, bytes]]


def answer_request(request: Request, answer: Answer) -> Response:
    """Return the response to *request*."""
    if request.path.startswith(_OF_BYTES):
        raise UnsupportedCall(request, unsupported_feature("snapshots").response)
    try:
        body = json.loads(request.body) if request.body else None
    except ValueError:
        errors = {"errors": ["failed to parse JSON input"]}
        return Response(400, json.dumps(errors).encode(), headers=_JSON)
    headers = {name.lower(): value for name, value in request.headers.items()}
    path, separator, query = request.target.partition("?")
    target = f"{unquote(path)}{separator}{query}"
    found, content = answer(request.method, target, body, headers.get(_WRAP_HEADER))
    if found.unsupported:
        raise UnsupportedCall(request, found)
    return Response(found.status, content, headers=_JSON)
