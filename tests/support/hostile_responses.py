"""Malformed responses close to a server's real ones, and a transport that returns them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from hypothesis import strategies as st

from app_integration.testing.memory_vault import MemoryVault
from app_integration.transport.request import Request, RequestSender, Response
from app_integration.transport.responses import accept

#: Keys of generated objects. They are the names in real responses.
_NAMES: Final = (
    *("data", "auth", "metadata", "value", "template", "version", "custom_metadata", "keys"),
    *("created_time", "lease_id", "lease_duration", "renewable", "client_token", "accessor"),
    *("request_id", "errors", "username", "password", "ttl", "hash", "secret_id", "creation_path"),
    *("composed_version", "batch_results", "ciphertext", "plaintext", "error", "wrap_info"),
)
_HUGE: Final = (2**31, 2**63, 10**30, 10**400, -1, 1e308, float("inf"), float("nan"))
_TEXTS: Final = ("", "2h", "1e999", "\ud800", "vault:v1:", "vault:v0:AAAA", "é", "\x00", "{user}")
_DEEP: Final = b'{"data":' * 3000 + b"{}" + b"}" * 3000
#: Bodies that are not a JSON object, or that are nested too deeply to parse.
_BODIES: Final = (
    b"",
    b"null",
    b"[]",
    b"0",
    b'"x"',
    b"<html>",
    b"\xff\xfe",
    b"{",
    b"[" * 100_000,
    _DEEP,
)
_STATUSES: Final = (*[200] * 12, 201, 204, 302, 400, 403, 404, 412, 429, 472, 500, 503)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(_HUGE),
    st.sampled_from(_TEXTS),
    st.text(),
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)


class Tampered(RequestSender):
    """A transport that answers requests below *path* with *response*, if it is not None."""

    def __init__(self, server: MemoryVault) -> None:
        self.server = server
        self.path = ""
        self.response: Response | None = None
        self.seen: dict[str, dict[str, Any]] = {}
        self.given = 0

    def exchange(self, request: Request, **options: Any) -> Response:
        if self.response is not None and request.path.startswith(self.path):
            self.given += 1
            return accept(request, self.response)
        response = self.server.exchange(request, **options)
        self.seen[request.path] = deepcopy(response.payload)
        return response

    def close(self) -> None:
        """Do nothing, because no connection is open."""


def _paths(value: object) -> list[tuple[Any, ...]]:
    """Return the path of *value* and of each nested value, as keys from the outermost on."""
    found: list[tuple[Any, ...]] = [()]
    items = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, Mapping) else items:
        found += [(key, *rest) for rest in _paths(inner)]
    return found


def _change(good: object, path: tuple[Any, ...], draw: st.DrawFn) -> object:
    """Return *good* with the value at *path* deleted or replaced."""
    if not path:
        return draw(_values)
    changed = deepcopy(good)
    parent: Any = changed
    for key in path[:-1]:
        parent = parent[key]
    if draw(st.booleans()):
        del parent[path[-1]]
    else:
        parent[path[-1]] = draw(_values)
    return changed


@st.composite
def responses(draw: st.DrawFn, good: Mapping[str, Any]) -> Response:
    """Generate a response with any status, whose body is *good* with one change, or no object."""
    status = draw(st.sampled_from(_STATUSES))
    if draw(st.integers(0, 9)) == 0:
        return Response(status, draw(st.sampled_from(_BODIES)))
    path = draw(st.sampled_from(_paths(good)))
    body = _change(good, path, draw)
    return Response(
        status, json.dumps(body).encode(), draw(st.sampled_from([{}, {"Retry-After": "1"}]))
    )
