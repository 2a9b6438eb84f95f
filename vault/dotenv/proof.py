"""Verification that an application reads the values of an old file from the server."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from app_integration.errors import StrongroomError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.sources.vault import VaultSource

#: Returns the value of a secret by name, as the application reads it.
ReadSecret = Callable[[str], Secret]


class ValuesDiffer(StrongroomError):
    """Mismatch between values of the server and the file. The message has the names only."""


def service_reader(
    session: Session, scope: Scope, audit: AuditLog, mounts: Mounts = DEFAULT_MOUNTS
) -> ReadSecret:
    """Return a function that reads secrets with the service's own login, from the server only.

    The application's ``get_secret`` is not suitable: in development it falls back to the process
    environment and ``.env``, so a file would be compared with itself.
    """
    store = SecretStore([VaultSource(session, scope, mounts)], audit)

    def read(name: str) -> Secret:
        value: Secret = store.get(name, force_refresh=True)
        return value

    return read


def values_equal(one: str, other: str) -> bool:
    """Return whether two values are equal, in a time that does not depend on their content."""
    # Encode lone surrogates too, because the exception would contain the value.
    one_bytes, other_bytes = ((text + "").encode(errors="surrogatepass") for text in (one, other))
    return hmac.compare_digest(one_bytes, other_bytes)


def verify_values(expected: Mapping[str, Secret], read: ReadSecret, hint: str) -> None:
    """Read each secret in *expected*, and compare the values."""
    differing = sorted(
        name for name, value in expected.items() if not values_equal(read(name), value)
    )
    if differing:
        raise ValuesDiffer(
            f"the server's value differs from the file's for {', '.join(differing)}; {hint}"
        )
