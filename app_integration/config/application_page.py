"""Pages of the application that a delivery requests: its health, and the one that reloads it."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from app_integration._internal.deadline import deadline
from app_integration.errors import ConfigurationError, DeadlineExceeded


def check_url(url: str) -> str:
    """Return *url*.

    Raises:
        ConfigurationError: If it is no http or https URL, or contains credentials, which logs
            would show.

    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{url!r} is no URL; expected http(s)://host:port/path")
    if parts.username or parts.password:
        raise ConfigurationError("the URL of the application contains credentials; remove them")
    return url


def find_problem(method: str, url: str, seconds: float) -> str | None:
    """Send a request; return what is wrong, or None for a status from 200 to 299.

    Args:
        method: ``GET`` or ``POST``.
        url: The page. Its query is not in the result, because it may contain a token.
        seconds: Until its headers must be there; the body is not read.

    """
    import urllib3  # noqa: PLC0415 (costs 60 ms, and most deliveries request no page)

    shown = url.partition("?")[0]
    try:
        with deadline(seconds, "timeout"), urllib3.PoolManager(retries=False) as pool:
            response = pool.request(method, url, redirect=False, preload_content=False)
            status = response.status
            response.close()
    except (urllib3.exceptions.HTTPError, DeadlineExceeded) as error:
        return f"{shown} does not answer ({type(error).__name__})"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return f"{shown} answers with status {status}"
