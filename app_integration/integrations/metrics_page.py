"""The ``/metrics`` page, and who may read it: names of secrets and when they are read.

Whoever sends the token that ``STRONGROOM_METRICS_TOKEN_FILE`` holds. In development this machine
too, unless the request says that a proxy passed it on. Elsewhere an address proves nothing: behind
a proxy on the same machine everybody comes from it, and waitress takes away the headers that would
tell.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

from app_integration.auth.methods import read_credential
from app_integration.observability import metrics
from app_integration.settings import Settings

SETTING: Final = "STRONGROOM_METRICS_TOKEN_FILE"
_PROXIED: Final = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
_PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer, for any framework to send."""

    status: HTTPStatus
    body: bytes
    content_type: str


class Headers(Protocol):
    """Those of a request, which don't tell upper from lower case."""

    def __contains__(self, name: Any, /) -> bool: ...
    def get(self, name: str, default: str, /) -> str:
        """The value under *name*, or *default*."""
        ...


def answer(remote: str | None, headers: Headers, settings: Settings) -> Page:
    """The page for a client at the address *remote*, or a refusal.

    Args:
        remote: the address as the server sees it; None when it isn't known.
        headers: of the request.
        settings: tell the environment, and the file with the token, which is read each time.

    Raises:
        ConfigurationError: that file can't be read.

    """
    local = settings.development and _is_local(remote, headers)
    if not (local or _knows_token(headers, settings.metrics_token_file)):
        words = f"metrics are for who sends the token: see {SETTING}\n".encode()
        return Page(HTTPStatus.FORBIDDEN, words, _PLAIN)
    page = metrics.current().render()
    if page is None:
        return Page(HTTPStatus.NOT_FOUND, b"the extra 'metrics' isn't installed\n", _PLAIN)
    return Page(HTTPStatus.OK, *page)


def _is_local(remote: str | None, headers: Headers) -> bool:
    if any(name in headers for name in _PROXIED):
        return False
    try:
        address = ip_address(remote or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _knows_token(headers: Headers, token_file: Path | None) -> bool:
    kind, _, given = headers.get("authorization", "").partition(" ")
    if token_file is None or kind.lower() != "bearer":
        return False
    token = read_credential(token_file, SETTING)
    return hmac.compare_digest(given.strip().encode(), token.encode())
