"""Names on the server that no service has: those of a deployment's jobs, people and own key.

Several deployments may share a server, so each name begins with the deployment's id. The default id
leads to the names that a server with one deployment has always had.
"""

from __future__ import annotations

from typing import Final

from app_integration.names import MAX_SERVICE_LENGTH

#: Id of a deployment whose file declares none.
DEFAULT_DEPLOYMENT: Final = "strongroom"
#: Jobs that log in by AppRole, by their names under the default id.
#: A message has the name of :func:`server_name`. The one that reads what apply would change:
PLAN_JOB: Final = "strongroom-plan"
#: The one that writes.
APPLY_JOB: Final = "strongroom-apply"
#: The one that rotates secrets, keys and credentials.
ROTATOR_JOB: Final = "strongroom-rotator"
#: The one that reads what was done, and no value.
AUDITOR_JOB: Final = "strongroom-auditor"
JOBS: Final = (PLAN_JOB, APPLY_JOB, ROTATOR_JOB, AUDITOR_JOB)
#: The key that shows whether a write-only value changed. No service's key has this name, because
#: those end in an environment and the key's own name.
FINGERPRINT_KEY: Final = "strongroom-fingerprint"
#: The identity that may use the recovery keys, if apply's credential is lost.
BREAK_GLASS: Final = "strongroom-break-glass"
#: The policy of people, in dev only.
DEVELOPER: Final = "developer"

_PREFIX: Final = f"{DEFAULT_DEPLOYMENT}-"


def server_name(deployment: str, name: str) -> str:
    """Return what *name*, that under the default id, is called on the server for *deployment*."""
    if deployment == DEFAULT_DEPLOYMENT:
        return name
    return f"{deployment}-{name.removeprefix(_PREFIX)}"


def shared_name(deployment: str, name: str) -> str:
    """Return *name* after the deployment's id, cut to fit, for what belongs to the whole server."""
    room = MAX_SERVICE_LENGTH - len(name) - 1
    return f"{deployment[:room].rstrip('-')}-{name}"


def own_names(deployment: str) -> tuple[str, ...]:
    """Return the names of the deployment's jobs, people, key and credential for emergencies."""
    names = (*JOBS, FINGERPRINT_KEY, DEVELOPER, BREAK_GLASS)
    return tuple(server_name(deployment, name) for name in names)
