"""Page ``/metrics`` and its access control.

The page shows the names of secrets and when they are read, so a client needs the token in the file
that ``STRONGROOM_METRICS_TOKEN_FILE`` names. In development a client on the same machine needs
none, unless a header says that a proxy forwarded the request. In other environments an address
proves nothing: behind a proxy on the same machine all requests have that machine's address, and
waitress removes the headers that would reveal the proxy.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

from app_integration.auth.credential_file import read_credential
from app_integration.observability import metrics
from app_integration.settings import Settings

SETTING: Final = "STRONGROOM_METRICS_TOKEN_FILE"
_PROXY_HEADERS: Final = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
_PLAIN: Final = "text/plain; charset=utf-8"
_NOT_INSTALLED: Final = (
    b"there are no metrics, because prometheus-client is not installed; "
    b"install the extra 'metrics'\n"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A framework-independent HTTP response."""

    status: HTTPStatus
    body: bytes
    content_type: str


class Headers(Protocol):
    """Headers of a request, with case-insensitive names."""

    def __contains__(self, name: Any, /) -> bool: ...
    def get(self, name: str, default: str, /) -> str:
        """Return the value of the header *name*, or *default* if there is none."""
        ...


def get_page(remote: str | None, headers: Headers, settings: Settings) -> Page:
    """Return the metrics page, or an error page if the client may not read it."""
    local = settings.is_development and _is_local(remote, headers)
    if not (local or _has_valid_token(headers, settings.metrics_token_file)):
        message = (
            f"the request has no valid metrics token; send the token in the file that {SETTING} "
            "names as Authorization: Bearer\n"
        )
        return Page(HTTPStatus.FORBIDDEN, message.encode(), _PLAIN)
    page = metrics.get_recorder().render()
    if page is None:
        return Page(HTTPStatus.NOT_FOUND, _NOT_INSTALLED, _PLAIN)
    return Page(HTTPStatus.OK, *page)


def _is_local(remote: str | None, headers: Headers) -> bool:
    if any(name in headers for name in _PROXY_HEADERS):
        return False
    try:
        address = ip_address(remote or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _has_valid_token(headers: Headers, token_file: Path | None) -> bool:
    scheme, _, received = headers.get("authorization", "").partition(" ")
    if token_file is None or scheme.lower() != "bearer":
        return False
    token = read_credential(token_file, SETTING)
    return hmac.compare_digest(received.strip().encode(), token.encode())
