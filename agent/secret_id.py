"""The credential that starts an agent: a secret-id that can be unwrapped once, soon, and used once.

Whoever starts agents has a role of its own, the *starter*, which may issue secret-ids of one
other role, wrapped, and nothing else.
"""

from __future__ import annotations

from app_integration.permissions import need
from app_integration.session.session import Session, open_session
from app_integration.settings import Settings


def issue_secret_id(session: Session, role: str, wrap_ttl: int) -> str:
    """A wrapping token that holds a fresh secret-id of the AppRole *role*.

    Args:
        session: logged in as a starter of *role*.
        role: the agent's role, as ``gaara-store-dev``.
        wrap_ttl: seconds, as declared, in which the token can be unwrapped, once, and the secret-id
            log in, once.

    Raises:
        AccessDenied: the starter may not, or *role* is absent.
        ServerError: the server is away.
        AuthenticationFailed: the starter's own login was refused.

    """
    limits = {"num_uses": "1", "ttl": f"{wrap_ttl}s"}  # as the starter's policy demands
    answer = session.post(need("issue-secret-id", role).path, limits, wrap_ttl=wrap_ttl)
    return str(answer["wrap_info"]["token"])


def issue_as_starter(starter: Settings, wrap_ttl: int) -> str:
    """Log in as *starter*, issue one secret-id for its scope's role, and log out.

    Raises:
        ConfigurationError: a credential file is missing.
        StrongroomError: as :func:`issue_secret_id`.

    """
    with open_session(starter) as session:
        return issue_secret_id(session, str(starter.scope), wrap_ttl)
