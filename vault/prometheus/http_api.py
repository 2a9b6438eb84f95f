"""Requests to the HTTP API of Prometheus or Alertmanager.

A response is untrusted, and the server's proxy may be anything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from app_integration.errors import ConfigurationError

if TYPE_CHECKING:
    import requests

#: Seconds for the connection and between two parts of the response, and for all of its body.
TIMEOUT: Final = 10.0
#: Bytes of a response; that of 10,000 targets has about 3 million.
MAX_RESPONSE: Final = 16 * 2**20
_CHUNK: Final = 64 * 2**10


def check_url(option: str, url: str) -> str:
    """Return *url* without trailing slashes, if it is one of HTTP and has no credentials."""
    if "@" in url:
        raise ConfigurationError(
            f"{option} contains credentials, which other users of this machine can see; put "
            "them into ~/.netrc"
        )
    if not _is_address(url):
        raise ConfigurationError(f"{option} is {url!r}; expected http(s)://host:port")
    return url.rstrip("/")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment) and url.isprintable() and " " not in url
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def get_json(url: str, query: Mapping[str, str], deadline: float = TIMEOUT) -> object:
    """Return the document that a server responds with, complete within *deadline* seconds."""
    try:
        return _get(url, query, time.monotonic() + deadline)
    # Those of requests are OSErrors.
    except (HTTPError, ValueError, OSError, RecursionError) as error:
        # The text of such an error may contain parts of the response.
        raise ConfigurationError(type(error).__name__) from None


def _get(url: str, query: Mapping[str, str], end: float) -> object:
    import requests  # noqa: PLC0415 (takes long, and most commands only check an address)

    timeout = max(0.1, min(TIMEOUT, end - time.monotonic()))
    with requests.get(url, query, timeout=timeout, stream=True, allow_redirects=False) as response:
        if response.status_code != HTTPStatus.OK:
            raise ConfigurationError(f"the response has the status {response.status_code}")
        body = _read(response, end)
    found: object = json.loads(body)
    return found


def _read(response: requests.Response, end: float) -> bytes:
    body = bytearray()
    # read() would wait for a whole chunk, however slowly its bytes arrive.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > MAX_RESPONSE:
            raise ConfigurationError(f"the response has more than {MAX_RESPONSE} bytes")
        if time.monotonic() > end:
            raise ConfigurationError("the response was not complete in time")
    return bytes(body)
