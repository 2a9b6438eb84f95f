"""Adopted secrets: a URL template filled with the credentials of a static database role.

The server rotates the password of the role every rotation period, and the old password is rejected
from then on. A composed URL expires one second after the period, because by then the
server has the next password.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from app_integration import names, permissions
from app_integration.errors import RequestRefused
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import PASSWORD_PLACEHOLDER, USERNAME_PLACEHOLDER
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.sources import FetchedSecret
from app_integration.transport import payloads
from app_integration.transport.payloads import KvVersion

_GRACE: Final = 1.0  # seconds that the server may take to rotate after the end of a period


def fill_template(template: str, username: str, password: str) -> Secret:
    """Return *template* with *username* and *password* filled in, percent-encoded."""
    # quote() encodes braces, so that a username cannot contain the placeholder of the password.
    filled = template.replace(USERNAME_PLACEHOLDER, quote(username, safe=""))
    return Secret(filled.replace(PASSWORD_PLACEHOLDER, quote(password, safe="")))


def fetch(
    session: Session, role: str, entry: KvVersion, mounts: Mounts = DEFAULT_MOUNTS
) -> FetchedSecret | None:
    """Return the secret that an adopted *entry* stands for; sends one request.

    It is None if the role does not exist yet and *entry* still has its old value, which is valid
    until the role exists.
    """
    path = permissions.need("read-static-user", role, mounts).path
    try:
        user = payloads.parse_static_user(session.get(path), path)
    except RequestRefused as refused:
        if refused.status != HTTPStatus.BAD_REQUEST or names.VALUE_KEY not in entry.fields:
            raise
        return None
    return FetchedSecret(
        value=fill_template(entry.template or "", user.username, user.password.reveal()),
        source="vault",
        version=entry.version,
        request_id=user.request_id,
        expires_in=user.ttl + _GRACE,
    )
