"""Wrapped secret-ids that start an agent: each can be unwrapped once, used once, and expires soon.

A process that starts agents logs in with a role of its own, the *starter*. That role may issue
wrapped secret-ids of one other role and nothing else.
"""

from __future__ import annotations

from typing import Final

from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import AGENT_ISSUED, APPROLE_MOUNT, ISSUED_KEY
from app_integration.permissions import need
from app_integration.session.from_settings import open_session
from app_integration.session.session import Session
from app_integration.settings import Settings

#: Metadata of each secret-id, and of the token of its login. The starter's policy allows no other.
METADATA: Final = f'{{"{ISSUED_KEY}":"{AGENT_ISSUED}"}}'


def issue_secret_id(
    session: Session, role: str, wrap_ttl: int, mounts: Mounts = DEFAULT_MOUNTS
) -> str:
    """Return a wrapping token that contains a new secret-id of the AppRole *role*.

    Within *wrap_ttl* seconds the token can be unwrapped once, and the secret-id can log in once.
    AccessDenied may also mean that *role* does not exist.
    """
    # The starter's policy requires both limits.
    body = {"num_uses": "1", "ttl": f"{wrap_ttl}s", "metadata": METADATA}
    response = session.post(need("issue-secret-id", role, mounts).path, body, wrap_ttl=wrap_ttl)
    return str(response["wrap_info"]["token"])


def issue_as_starter(starter: Settings, wrap_ttl: int) -> str:
    """Log in as *starter*, issue one wrapped secret-id for the role of its scope, and log out."""
    with open_session(starter) as session:
        # The agent's role is on the mount at which the starter logs in.
        mounts = Mounts(approle=starter.auth.mount or APPROLE_MOUNT)
        return issue_secret_id(session, str(starter.scope), wrap_ttl, mounts)
