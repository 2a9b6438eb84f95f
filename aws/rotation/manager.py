"""The secret of the user that sets the passwords of a service's database users."""

from __future__ import annotations

from typing import Final

from aws.rotation.errors import RotationRefused

#: What the names of secrets begin with that no service reads; no service can have that name.
_PREFIX: Final = "_strongroom"
_PARTS: Final = 3  # of a secret's name: service, environment, and the declared name


def manager_secret(secret: str) -> str:
    """Return the name of the secret with the manager's URL, for the service of *secret*."""
    parts = secret.split("/", _PARTS - 1)
    if len(parts) != _PARTS:
        raise RotationRefused(
            f"{secret} is not named <service>/<environment>/<name>; declare it in Strongroom"
        )
    service, environment, _ = parts
    return f"{_PREFIX}/{environment}/{service}/database-manager"
