"""Proof that the server answers, for an application, what an old file said."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from app_integration.errors import StrongroomError
from app_integration.names import Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.sources.vault import VaultSource

#: Secret name → its value, as the application gets it.
Read = Callable[[str], Secret]


class ValuesDiffer(StrongroomError):
    """The server's values aren't those of the file; the message names the secrets only."""


def service_reader(session: Session, scope: Scope, audit: AuditLog) -> Read:
    """``get_secret`` under the service's own login, from the server alone.

    The application's own would fall back to the process environment and ``.env`` in development,
    and so prove a file equal to itself.
    """
    store = SecretStore([VaultSource(session, scope)], audit)

    def read(name: str) -> Secret:
        value: Secret = store.get(name, force_refresh=True)
        return value

    return read


def same(one: str, other: str) -> bool:
    """Whether the two are equal, in a time that doesn't tell where they differ."""
    # A lone surrogate must not raise: the exception would carry the value.
    ours, theirs = ((text + "").encode(errors="surrogatepass") for text in (one, other))
    return hmac.compare_digest(ours, theirs)


def prove(expected: Mapping[str, Secret], read: Read, remedy: str) -> None:
    """Read each secret in *expected*, and compare.

    Raises:
        ValuesDiffer: naming those that differ; *remedy* says what to do next.
        StrongroomError: one of them can't be read.

    """
    differing = sorted(name for name, value in expected.items() if not same(read(name), value))
    if differing:
        raise ValuesDiffer(
            f"the server's value is not the file's for {', '.join(differing)}; {remedy}"
        )
