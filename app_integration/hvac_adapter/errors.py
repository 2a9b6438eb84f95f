"""Errors of hvac's calls that got no response.

An error with a response is hvac's own class for its status. Without one, ``requests`` would raise
its own exceptions, so these classes are both.
"""

from __future__ import annotations

import requests
from hvac import exceptions

from app_integration.errors import (
    AuthenticationFailed,
    DeadlineExceeded,
    RequestRefused,
    ServerError,
    StrongroomError,
)


class NoConnection(exceptions.VaultDown, requests.exceptions.ConnectionError):  # type: ignore[misc] # hvac has no types
    """No connection to the server, or a cut one."""


class NoResponseInTime(exceptions.VaultDown, requests.exceptions.Timeout):  # type: ignore[misc] # as above
    """A call whose deadline is over."""


def hvac_error(error: StrongroomError, method: str, url: str) -> Exception:
    """Return the error to raise for *error*, with the same message."""
    if isinstance(error, AuthenticationFailed):
        kind = exceptions.Forbidden
    elif isinstance(error, DeadlineExceeded):
        kind = NoResponseInTime
    elif isinstance(error, ServerError) and not isinstance(error, RequestRefused):
        kind = NoConnection
    else:
        return error  # of the configuration, or a refusal of the server in memory
    found: Exception = kind(str(error), method=method, url=url)
    return found
