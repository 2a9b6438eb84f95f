"""Token that an administrator gives to the bootstrap: what it is, and the proof that it is dead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app_integration.errors import (
    AccessDenied,
    ConfigurationError,
    RequestRefused,
    ServerFault,
    StrongroomError,
)
from app_integration.session.session import Session
from vault.declare import durations

#: The policy whose tokens may do everything.
ROOT: Final = "root"
#: Seconds that a token must live on, so that it does not expire in the middle.
SHORTEST: Final = 5 * durations.MINUTE


@dataclass(frozen=True, slots=True)
class AdministratorToken:
    """What the server says about the administrator's token.

    *accessor* looks it up and revokes it, but gives no rights. A root token must not outlive the
    bootstrap.
    """

    accessor: str
    is_root: bool


def inspect(session: Session) -> AdministratorToken:
    """Return what the server says about the token of *session*.

    Raises AccessDenied if it is no longer valid, or may not look itself up.
    """
    data = session.get("auth/token/lookup-self")["data"]
    if error := find_error(data):
        raise ConfigurationError(
            f"the token you passed {error}; pass another one. Nothing was changed"
        )
    return AdministratorToken(data["accessor"], ROOT in data["policies"])


def find_error(data: Mapping[str, Any]) -> str | None:
    """Return why the bootstrap cannot use a token, or None."""
    if data.get("type") == "batch":
        return "is a batch token, which has no accessor and cannot be revoked"
    if data.get("num_uses"):
        return "has a limited number of uses, and each request takes one"
    ttl = data.get("ttl", 0)
    if ttl and ttl < SHORTEST:
        return f"expires in {ttl} s, and the bootstrap may take {durations.render(SHORTEST)}"
    return None


def revoke_noted(
    accessors: Iterable[str], operator: Session, given: Session, found: AdministratorToken | None
) -> str | None:
    """Revoke the tokens with the noted *accessors* and look them up.

    A scoped role may not look up accessors, nor one in a namespace those of another. The
    administrator's token, which *given* uses, may look up all but its own, which is revoked last;
    the result is its accessor, if no session may look that up.
    """
    own = None if found is None else found.accessor
    left = [each for each in accessors if not try_revoke(operator, each)]
    others = [each for each in left if each != own and (own is None or not try_revoke(given, each))]
    if others:
        raise ConfigurationError(
            f"all is applied, but nobody here may look up the tokens of earlier runs, with the "
            f"accessors {', '.join(others)}; run this again with a new administrator's token, "
            "which revokes them"
        )
    if own not in left:
        return None
    given.post("auth/token/revoke-self", retry=False)
    return own


def revoke(session: Session, accessor: str) -> None:
    """Revoke the token with *accessor* unless it is dead, and look it up again."""
    if is_dead(session, accessor):
        return
    session.post("auth/token/revoke-accessor", {"accessor": accessor})
    if not is_dead(session, accessor):
        raise StrongroomError(
            f"the token with the accessor {accessor} was revoked and is still valid; revoke it "
            "yourself"
        )


def try_revoke(session: Session, accessor: str) -> bool:
    """Revoke the token with *accessor*, see :func:`revoke`; return False if *session* may not."""
    try:
        revoke(session, accessor)
    except AccessDenied:
        return False
    except ServerFault as fault:
        if "different namespace" in str(fault):
            return False
        raise
    return True


def is_dead(session: Session, accessor: str) -> bool:
    """Return whether no token has *accessor* any more.

    A 403 for the token itself would prove nothing, because a valid token whose policies do not
    grant its own look-up gets that, too.
    """
    try:
        session.post("auth/token/lookup-accessor", {"accessor": accessor}, retry=False)
    except RequestRefused as refused:
        if "invalid accessor" in str(refused):
            return True
        raise
    return False
