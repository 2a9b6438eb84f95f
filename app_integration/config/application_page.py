"""Pages of the application that a delivery requests: its health, and the one that reloads it."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

from app_integration.errors import ConfigurationError


def check_url(url: str) -> str:
    """Return *url*, which must be http or https, without credentials, which logs would show."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        is_url = False
    # Of what cannot be split, too, because the next error shows the URL.
    if "@" in re.split(r"[/?#]", url.partition("://")[2] or url, maxsplit=1)[0]:
        raise ConfigurationError("the URL of the application contains credentials; remove them")
    if not is_url:
        raise ConfigurationError(f"{url!r} is no URL; expected http(s)://host:port/path")
    return url


def find_problem(method: str, url: str, seconds: float) -> str | None:
    """Send a request; return the problem, or None for a status from 200 to 299.

    *seconds* limit the connection, and then the headers; the body is not read. The problem does not
    show the URL's query, which may contain a token.
    """
    import ssl  # noqa: PLC0415 (these cost 60 ms, and most deliveries request no page)

    import urllib3  # noqa: PLC0415 (as above)

    from app_integration.transport.connection_pool import create_pool  # noqa: PLC0415 (as above)

    shown, parts = url.partition("?")[0], urlsplit(url)
    page = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    try:
        with create_pool(url, ssl.create_default_context) as pool:
            response = pool.urlopen(
                method, page, redirect=False, preload_content=False, timeout=seconds
            )
            status = response.status
            response.close()
    except urllib3.exceptions.HTTPError as error:
        return f"{shown} does not answer ({type(error).__name__})"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return f"{shown} answers with status {status}"
