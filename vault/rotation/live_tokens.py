"""Live tokens of the server, by accessor, which is no credential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from app_integration.errors import AccessDenied, RequestRefused
from app_integration.session.session import Session
from vault.reconcile.resources import ReadSession

_LOOKUP: Final = "auth/token/lookup-accessor"
#: Of a token that was revoked or removed: OpenBao returns the first one, and Vault either.
_ENDED: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)


def live_tokens(session: Session) -> Iterator[dict[str, Any]]:
    """Yield what the server says of each live token, but that of this session itself."""
    own = session.get("auth/token/lookup-self")["data"]["accessor"]
    session.post(_LOOKUP, {"accessor": own})  # because a denial means a revoked token below
    for accessor in session.list("auth/token/accessors"):
        found = look_up_token(session, accessor) if accessor != own else None
        if found is not None:
            yield found


def look_up_token(session: Session, accessor: str) -> dict[str, Any] | None:
    """Return what the server says of a token, None if it is no longer valid."""
    try:
        return look_up(session, _LOOKUP, {"accessor": accessor}, *_ENDED)
    except AccessDenied:
        return None  # it has expired, and the server is about to remove it


def look_up(
    session: ReadSession, path: str, body: Mapping[str, str], *absent: HTTPStatus
) -> dict[str, Any] | None:
    """Return the data of a response, None if its status is one of *absent*, or 204."""
    try:
        found: dict[str, Any] | None = session.post(path, body).get("data")
    except RequestRefused as error:
        if error.status in absent:
            return None
        raise
    return found
