"""One request whose response is returned as it is, as hvac's calls need it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from app_integration.transport.responses import Response

#: Methods that change nothing.
READS: Final = frozenset({"GET", "HEAD", "LIST"})
#: Paths at which engines issue credentials, for each read another one. A secret may be named so.
_ISSUES: Final = re.compile(r"(?!sys/|.+/(?:data|metadata|subkeys)/).+/creds/[^/]+")
_WRAP_HEADER: Final = "X-Vault-Wrap-TTL"
#: The status of a response below this path is a report about the server, and no failure.
_HEALTH_PATH: Final = "sys/health"


@dataclass(slots=True)
class RawCall:
    """One request, and its response; its ``repr`` shows neither headers nor body.

    Attributes:
        method: The HTTP method, in upper case.
        target: API path without the leading ``/v1/``, with its query, encoded as it is sent.
        headers: Headers without the Vault token.
        body: The encoded body; None sends no body.
        token: A Vault token of the caller; None for that of the session.
        response: The complete response of the last attempt; None if it got none.
        sent: Whether the server may have carried out the request.

    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    token: Secret | None = None
    response: Response | None = None
    sent: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def path(self) -> str:
        """Return the API path without the query."""
        return self.target.partition("?")[0]

    @property
    def is_repeatable(self) -> bool:
        """Return whether a second request does no harm.

        That is a read, unless its response is wrapped, it issues a credential, or it has a token of
        the caller, which may have a number of uses.
        """
        wrapped = any(name.lower() == _WRAP_HEADER.lower() for name in self.headers)
        is_single = wrapped or self.token is not None or _ISSUES.fullmatch(self.path) is not None
        return self.method in READS and not is_single

    @property
    def reports_status(self) -> bool:
        """Return whether the status of the response describes the server."""
        return self.path == _HEALTH_PATH


@runtime_checkable
class RawSender(Protocol):
    """A sender that can send a :class:`RawCall`, too."""

    def exchange(self, call: RawCall, *, timeout: float, token: str | None) -> Response:
        """Send *call* and return its response, which ``call.response`` keeps in case of an error.

        Args:
            call: The request.
            timeout: Seconds for the whole request, with its response and at most one redirect.
            token: The Vault token; None sends no token.

        Raises:
            ServerError: If there is no complete response, or its status is an error other than 403.
            AccessDenied: If the server returns 403.

        """
        ...


def as_raw(sender: object) -> RawSender:
    """Return *sender*, which must be able to send a :class:`RawCall`.

    Raises:
        ConfigurationError: If it cannot.

    """
    if isinstance(sender, RawSender):
        return sender
    raise ConfigurationError(
        f"{type(sender).__name__} cannot send the requests of hvac; use get_secret and the others"
    )
