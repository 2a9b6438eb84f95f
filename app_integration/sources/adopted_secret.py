"""An adopted secret: a URL whose user and password are those of a static database role.

The server changes the password every rotation period, and the old one opens nothing from that
moment on. What is composed here is good for as long as the role says, and a second more: that is
when the server has the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from app_integration import names, permissions
from app_integration.errors import RequestRefused
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.sources import Fetched

USERNAME: Final = "{username}"
PASSWORD: Final = "{password}"  # noqa: S105 (where one goes, not one)
_GRACE: Final = 1.0  # seconds from the end of a rotation period until the password is another


def compose(template: str, username: str, password: str) -> Secret:
    """*template* with both in their places, percent-encoded."""
    # No braces are left by the encoding: what was put in first can't look like the second place.
    filled = template.replace(USERNAME, quote(username, safe=""))
    return Secret(filled.replace(PASSWORD, quote(password, safe="")))


def is_adopted(entry: Mapping[str, Any]) -> bool:
    """Whether *entry*, the data and metadata of a KV version, is a template to be filled in."""
    marks = entry["metadata"].get("custom_metadata") or {}
    return names.COMPOSED_KEY in marks and names.TEMPLATE_KEY in entry["data"]


def fetch(session: Session, role: str, entry: Mapping[str, Any]) -> Fetched | None:
    """The secret that *entry*, a KV answer with a template, stands for; one request.

    None while the role isn't there yet: then the old value, if *entry* has one, is still good.

    Raises:
        RequestRefused: the role isn't there, and no old value either.
        AccessDenied, ServerError: see errors.
    """
    data: Mapping[str, Any] = entry["data"]["data"]
    try:
        answer = session.get(permissions.need("read-static-user", role).path)
    except RequestRefused as refused:
        if refused.status != HTTPStatus.BAD_REQUEST or names.VALUE_KEY not in data:
            raise
        return None
    user = answer["data"]
    return Fetched(
        value=compose(data[names.TEMPLATE_KEY], user["username"], user["password"]),
        source="vault",
        version=entry["data"]["metadata"]["version"],
        request_id=answer.get("request_id"),
        expires_in=user["ttl"] + _GRACE,
    )
