"""Queries to a Prometheus server. Its response is untrusted, and its proxy may be anything."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import requests

from app_integration.errors import ConfigurationError
from vault.prometheus.vector import Sample, parse_vector

#: Seconds for the connection, and between two parts of the response.
TIMEOUT: Final = 10.0
#: Bytes of a response; that of 10,000 targets has about 3 million.
MAX_RESPONSE: Final = 16 * 2**20


def check_prometheus_url(url: str) -> str:
    """Return *url* without trailing slashes.

    Raises:
        ConfigurationError: If it is not ``http(s)://host``, with a port and path or without, or
            contains credentials.

    """
    if "@" in url:
        raise ConfigurationError(
            "--prometheus contains credentials, which other users of this machine can see; put "
            "them into ~/.netrc"
        )
    if not _is_address(url):
        raise ConfigurationError(f"--prometheus is {url!r}; expected http(s)://host:port")
    return url.rstrip("/")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment) and url.isprintable() and " " not in url
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def query_prometheus(url: str, query: str) -> tuple[Sample, ...]:
    """Return the instant vector that is the result of *query*.

    Args:
        url: Address of the server; see :func:`check_prometheus_url`.
        query: Text in PromQL.

    Raises:
        ConfigurationError: If the server does not respond, or not as Prometheus does.

    """
    try:
        return parse_vector(_get(f"{url}/api/v1/query", query))
    except (
        ConfigurationError,
        requests.RequestException,
        ValueError,
        OSError,
        RecursionError,
    ) as error:
        # The text of such an error may contain parts of the response.
        reason = str(error) if isinstance(error, ConfigurationError) else type(error).__name__
        raise ConfigurationError(f"{url} cannot be queried: {reason}") from None


def _get(url: str, query: str) -> object:
    with requests.get(
        url, {"query": query}, timeout=TIMEOUT, stream=True, allow_redirects=False
    ) as response:
        if response.status_code != HTTPStatus.OK:
            raise ConfigurationError(f"the response has the status {response.status_code}")
        body = response.raw.read(MAX_RESPONSE + 1, decode_content=True)
    if len(body) > MAX_RESPONSE:
        raise ConfigurationError(f"the response has more than {MAX_RESPONSE} bytes")
    found: object = json.loads(body)
    return found
