"""The credential that starts an agent: a secret-id that can be unwrapped once, soon.

Whoever starts agents has a role of its own, the *starter*, which may issue secret-ids of one
other role, wrapped, and nothing else.
"""

from __future__ import annotations

from app_integration.permissions import need
from app_integration.session.session import Session, open_session
from app_integration.settings import Settings

WRAP_TTL = 120  # seconds until a secret-id that no agent took is worthless


def issue_secret_id(session: Session, role: str, wrap_ttl: int) -> str:
    """A wrapping token that holds a fresh secret-id of the AppRole *role*.

    Args:
        session: logged in as a starter of *role*.
        role: the agent's role, as ``gaara-store-dev``.
        wrap_ttl: seconds the token can be unwrapped; it can be only once.

    Raises:
        AccessDenied: the starter may not, or *role* is absent.
        ServerError: the server is away.
        AuthenticationFailed: the starter's own login was refused.
    """
    answer = session.post(need("issue-secret-id", role).path, wrap_ttl=wrap_ttl)
    return str(answer["wrap_info"]["token"])


def issue_as_starter(starter: Settings) -> str:
    """Log in as *starter*, issue one secret-id for its scope's role, and log out.

    Raises:
        ConfigurationError: a credential file is missing.
        StrongroomError: as :func:`issue_secret_id`.
    """
    with open_session(starter) as session:
        return issue_secret_id(session, str(starter.scope), WRAP_TTL)
