"""Copying of secrets from one backend to the other, each proved by read-back.

There is no record of a copy: a run compares both backends, so the next run after a kill goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app_integration.errors import (
    OUTAGE,
    AuthenticationFailed,
    ConfigurationError,
    StrongroomError,
)
from app_integration.names import Scope
from aws.secret_copy.backend import SecretBackend, Stored
from aws.secret_copy.comparison import Comparison, CopiedSecret, compare
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.secret_sources import Derived
from vault.reconcile.desired.desired import order_by_dependency


def copied_secrets(declaration: Declaration, scope: Scope) -> Iterator[CopiedSecret]:
    """Return the secrets of a service that are its own, the derived ones after their parts."""
    for name, source in order_by_dependency(declaration.own_secrets(scope)):
        path = scope.secret(name)
        if isinstance(source, Derived):
            parts = {part: scope.secret(part) for part in source.references}
            yield CopiedSecret(path, source.format, parts)
        else:
            yield CopiedSecret(path, is_adopted=isinstance(source, Adopted))


class SecretCopy:
    """A copy of declared secrets."""

    def __init__(
        self, source: SecretBackend, target: SecretBackend, secrets: Sequence[CopiedSecret]
    ) -> None:
        """Send nothing yet; in *secrets*, derived ones come after their parts."""
        self._source = source
        self._target = target
        self._secrets = secrets

    def compare(self) -> list[Comparison]:
        """Read all secrets on both backends, and return their comparisons. Nothing is written.

        What keeps a single secret from being copied is part of its comparison.
        """
        paths = [secret.path for secret in self._secrets]
        found = {path: _read(self._source, path) for path in paths}
        held = {path: _read(self._target, path) for path in paths}
        return [
            compare(secret, found, held[secret.path], self._source, self._target)
            for secret in self._secrets
        ]

    def write(self, comparison: Comparison) -> None:
        """Write one secret to the target, unless it changed since, and read it on both again."""
        secret, entry = comparison.secret, comparison.entry
        if entry is None:
            raise ConfigurationError(f"{secret.path} has nothing to copy; write it first")
        if secret.format is None:
            self._target.write(secret.path, entry, comparison.held)
        else:
            self._target.compose(secret.path, comparison.held)
        for backend in (self._target, self._source):
            if not entry.equals(backend.read(secret.path).entry):
                raise ConfigurationError(
                    f"{secret.path} has another value on {backend.name} after it was copied; run "
                    "the command again"
                )


def _read(backend: SecretBackend, path: str) -> Stored:
    try:
        return backend.read(path)
    except (*OUTAGE, AuthenticationFailed):
        raise
    except StrongroomError as error:
        return Stored(problem=f"{backend.name}: {error}")
