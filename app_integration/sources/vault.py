"""KV v2 on Vault or OpenBao."""

from __future__ import annotations

from http import HTTPStatus

from app_integration import names
from app_integration.errors import RequestRefused, SecretDeleted, SecretError, SecretNotFound
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session import Session
from app_integration.sources import Fetched


class VaultSource:
    """Reads ``secret/<service>/<environment>/<name>``, the latest version."""

    def __init__(self, session: Session, scope: Scope) -> None:
        self._session = session
        self._scope = scope

    def fetch(self, name: str) -> Fetched:
        """As :meth:`Source.fetch`; one request.

        Raises:
            SecretDeleted: the latest version was deleted or destroyed.
            SecretError: the entry has no string under ``value``.
        """
        path = names.need("read-secret", self._scope.secret(name)).path
        try:
            answer = self._session.get(path)
        except RequestRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                raise _not_there(path, deleted=refused.data is not None) from None
            raise
        value = answer["data"]["data"].get(names.VALUE_KEY)
        if not isinstance(value, str):
            raise SecretError(
                f"{path} has no string under {names.VALUE_KEY!r}; "
                f"write it again with: strongroom put {name}"
            )
        return Fetched(
            value=Secret(value),
            source="vault",
            version=answer["data"]["metadata"]["version"],
            request_id=answer.get("request_id"),
        )


def _not_there(path: str, *, deleted: bool) -> SecretNotFound:
    if deleted:
        return SecretDeleted(f"{path}: its latest version was deleted; undelete or write it again")
    return SecretNotFound(f"{path} holds no value; write one, or pass default=")
