"""An adopted secret: a URL whose user and password are those of a static database role.

The server changes the password every rotation period, and the old one opens nothing from that
moment on. What is composed here is good for as long as the role says, and a second more: that is
when the server has the next one.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from app_integration import names, permissions
from app_integration.errors import RequestRefused
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.sources import Fetched
from app_integration.transport import answers
from app_integration.transport.answers import KvVersion

USERNAME: Final = "{username}"
PASSWORD: Final = "{password}"  # noqa: S105 (where one goes, not one)
_GRACE: Final = 1.0  # seconds from the end of a rotation period until the password is another


def compose(template: str, username: str, password: str) -> Secret:
    """*template* with both in their places, percent-encoded."""
    # No braces are left by the encoding: what was put in first can't look like the second place.
    filled = template.replace(USERNAME, quote(username, safe=""))
    return Secret(filled.replace(PASSWORD, quote(password, safe="")))


def fetch(session: Session, role: str, entry: KvVersion) -> Fetched | None:
    """The secret that *entry*, one with a template, stands for; one request.

    None while the role isn't there yet: then the old value, if *entry* has one, is still good.

    Raises:
        RequestRefused: the role isn't there, and no old value either.
        AccessDenied, ServerError: see errors.

    """
    path = permissions.need("read-static-user", role).path
    try:
        user = answers.static_user(session.get(path), path)
    except RequestRefused as refused:
        if refused.status != HTTPStatus.BAD_REQUEST or names.VALUE_KEY not in entry.fields:
            raise
        return None
    return Fetched(
        value=compose(entry.template or "", user.username, user.password.reveal()),
        source="vault",
        version=entry.version,
        request_id=user.request_id,
        expires_in=user.ttl + _GRACE,
    )
