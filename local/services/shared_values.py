"""Values that a team shares, beside those on the local deployment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError, SecretNotFound
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare.errors import hint_names
from vault.reconcile.resources.kv import read_value

if TYPE_CHECKING:
    from vault.declare.dev_values.shared_values import SharedFiles


def find_different(session: Session, files: SharedFiles) -> Iterator[tuple[Scope, str, Secret]]:
    """Yield each shared value that is another one on the server, or that it does not have."""
    for scope in files.scopes:
        for name, value in files.usable(scope).items():
            if _read(session, files, scope, name) != value:
                yield scope, name, value


def read_values(
    session: Session,
    files: SharedFiles,
    scope: Scope,
    names: Collection[str],
    provided: Collection[str],
) -> Mapping[str, Secret]:
    """Return the server's values of secrets that are to be shared."""
    usable = [name for name in files.shareable(scope) if name not in provided]
    values = {}
    for name in names:
        if name not in usable:
            raise ConfigurationError(
                f"{scope} has no secret {name!r} that can be shared{hint_names(name, usable)}; "
                "name one that is given, because each machine has its own of all others"
            )
        value = _read(session, files, scope, name)
        if value is None:
            raise ConfigurationError(
                f"{name} has no value on this machine; write it first: strongroom put {name} "
                f"--service {scope.service} --env {scope.environment}"
            )
        values[name] = value
    return values


def _read(session: Session, files: SharedFiles, scope: Scope, name: str) -> Secret | None:
    try:
        return Secret(read_value(session, scope.secret(name), files.mount))
    except SecretNotFound:
        return None
