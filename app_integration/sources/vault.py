"""Secrets from a KV version 2 mount of Vault or OpenBao."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from app_integration import names, permissions
from app_integration.errors import (
    ConfigurationError,
    RequestRefused,
    SecretDeleted,
    SecretError,
    SecretNotFound,
)
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.sources import (
    FetchedSecret,
    Following,
    Preceding,
    Version,
    adopted_secret,
    not_a_version,
)
from app_integration.transport import payloads


class VaultSource:
    """A source that reads ``<KV mount>/<service>/<environment>/<name>``."""

    is_authoritative: ClassVar = True

    def __init__(self, session: Session, scope: Scope, mounts: Mounts = DEFAULT_MOUNTS) -> None:
        self._session = session
        self._scope = scope
        self._mounts = mounts
        self._folder = permissions.need("read-secret", "", mounts).path

    def fetch(self, name: str, version: Version = None, field: str | None = None) -> FetchedSecret:
        """Return the value of *name*; sends one request, or two for an adopted secret."""
        if isinstance(version, str):
            raise ConfigurationError(
                f"version={version!r} of {name}: a KV version has a number; pass an int or None"
            )
        if isinstance(version, Preceding | Following):
            raise not_a_version(f"{name}: a KV version has a number, and not an id")
        path = self._folder + self._scope.secret(name)
        try:
            request = path if version is None else f"{path}?version={version:d}"
            entry = payloads.parse_kv_version(self._session.get(request), path, version)
        except RequestRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                raise _missing_error(path, version, deleted=refused.data is not None) from None
            raise
        if version is None and field is None and entry.template is not None:
            role = self._scope.static_role(name)
            composed = adopted_secret.fetch(self._session, role, entry, self._mounts)
            if composed is not None:
                return composed
        return FetchedSecret(
            value=_value(entry.fields, path, name, field),
            source="vault",
            version=entry.version,
            request_id=entry.request_id,
            created_at=entry.created_at,
            next_value=_next_value(entry.fields),
        )


def policy_rule(scope: Scope, mounts: Mounts, name: str) -> str:
    """Return the rule of a policy that grants the secret *name*."""
    return permissions.need("read-secret", scope.secret(name), mounts).policy_rule()


def _value(fields: Mapping[str, Any], path: str, name: str, field: str | None) -> Secret:
    found = fields.get(field or names.VALUE_KEY)
    if isinstance(found, str):
        return Secret(found)
    del found  # so that no traceback shows it
    if field is not None:
        raise SecretNotFound(f"{path} has no text under the field {field!r}; write it as text")
    raise SecretError(
        f"{path} has no string under {names.VALUE_KEY!r}; "
        f"write it again with: strongroom put {name}"
    )


def _next_value(fields: Mapping[str, Any]) -> Secret | None:
    """Return the announced value of an entry with *fields*; None if there is none."""
    found = fields.get(names.NEXT_KEY)
    return Secret(found) if isinstance(found, str) else None


def _missing_error(path: str, version: int | None, *, deleted: bool) -> SecretNotFound:
    which = "its latest version" if version is None else f"version {version}"
    if deleted:
        return SecretDeleted(f"{path}: {which} was deleted; undelete or write it again")
    if version is not None:
        return SecretNotFound(f"{path} has no version {version}; read the current one")
    return SecretNotFound(f"{path} holds no value; write one, or pass default=")
