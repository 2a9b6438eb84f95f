"""Errors of requests that got no complete response."""

from __future__ import annotations

import ssl
from typing import Final

import urllib3

from app_integration.errors import (
    DeadlineExceeded,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.transport.responses import ResponseTooLarge

_CHECK: Final = "check it, VAULT_CACERT, VAULT_ADDR and this machine's clock"


def connection_error(request: object, address: str, error: Exception) -> StrongroomError:
    """Return the error for a *request* that got no complete response."""
    if isinstance(error, ResponseTooLarge):
        return ServerFault(f"{request}: {error}")
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return DeadlineExceeded(f"{request}: {address} sent no complete response in time")
    if isinstance(error, urllib3.exceptions.SSLError) and (untrusted := _untrusted(error)):
        reason = untrusted.verify_message.rstrip(".")
        return Unreachable(
            f"the certificate of {address} is not trusted ({reason}); {_CHECK}", not_sent=True
        )
    before_sending = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return Unreachable(
        f"{address} cannot be reached ({type(error).__name__}); "
        "is it running, and is VAULT_ADDR right?",
        not_sent=isinstance(error, before_sending),
    )


def _untrusted(error: Exception) -> ssl.SSLCertVerificationError | None:
    """Return the reason for which the certificate was rejected, None if it was not."""
    reason = error.args[0] if error.args else None
    return reason if isinstance(reason, ssl.SSLCertVerificationError) else None
