"""KV v2 on Vault or OpenBao."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar

from app_integration import names, permissions
from app_integration.errors import RequestRefused, SecretDeleted, SecretError, SecretNotFound
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.sources import Fetched, adopted_secret


class VaultSource:
    """Reads ``secret/<service>/<environment>/<name>``."""

    decides: ClassVar = True

    def __init__(self, session: Session, scope: Scope) -> None:
        self._session = session
        self._scope = scope

    def fetch(self, name: str, version: int | None = None, field: str | None = None) -> Fetched:
        """As :meth:`Source.fetch`; one request, or two for an adopted secret.

        Raises:
            SecretDeleted: that version was deleted or destroyed.
            SecretError: the entry has no string under *field*.
        """
        path = permissions.need("read-secret", self._scope.secret(name)).path
        try:
            answer = self._session.get(path if version is None else f"{path}?version={version:d}")
        except RequestRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                raise _not_there(path, version, deleted=refused.data is not None) from None
            raise
        if (version, field) == (None, None) and adopted_secret.is_adopted(answer["data"]):
            composed = adopted_secret.fetch(self._session, self._scope.static_role(name), answer)
            if composed is not None:
                return composed
        metadata = answer["data"]["metadata"]
        return Fetched(
            value=_value(answer["data"]["data"], path, name, field),
            source="vault",
            version=metadata["version"],
            request_id=answer.get("request_id"),
            created_at=_seconds(metadata.get("created_time")),
        )


def _value(data: Mapping[str, Any], path: str, name: str, field: str | None) -> Secret:
    value = data.get(field or names.VALUE_KEY)
    if isinstance(value, str):
        return Secret(value)
    if field is not None:
        raise SecretNotFound(f"{path} has no text under the field {field!r}")
    raise SecretError(
        f"{path} has no string under {names.VALUE_KEY!r}; "
        f"write it again with: strongroom put {name}"
    )


def _seconds(time: str | None) -> float | None:
    """Seconds since 1970 of the server's *time*; None for one that can't be read."""
    try:
        return datetime.fromisoformat(time or "").timestamp()
    except ValueError:
        return None


def _not_there(path: str, version: int | None, *, deleted: bool) -> SecretNotFound:
    which = "its latest version" if version is None else f"version {version}"
    if deleted:
        return SecretDeleted(f"{path}: {which} was deleted; undelete or write it again")
    if version is not None:
        return SecretNotFound(f"{path} has no version {version}")
    return SecretNotFound(f"{path} holds no value; write one, or pass default=")
