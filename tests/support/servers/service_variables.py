"""Variables of a service's process on a test server, with AppRole credentials of its own."""

from __future__ import annotations

from pathlib import Path

from app_integration._internal.private_file import write_private
from app_integration.names import Scope
from app_integration.session.session import Session


def issue_variables(operator: Session, scope: Scope, folder: Path) -> dict[str, str]:
    """Issue a secret-id, and return the variables of the service's process."""
    role = f"auth/approle/role/{scope}"
    credentials = {
        "role_id": operator.get(f"{role}/role-id")["data"]["role_id"],
        "secret_id": operator.post(f"{role}/secret-id")["data"]["secret_id"],
    }
    for name, value in credentials.items():
        write_private(folder / name, value)
    return {
        "VAULT_ADDR": operator._addresses[0],
        "ENVIRONMENT": str(scope.environment),
        "STRONGROOM_SERVICE": scope.service,
        "STRONGROOM_ROLE_ID_FILE": str(folder / "role_id"),
        "STRONGROOM_SECRET_ID_FILE": str(folder / "secret_id"),
        "STRONGROOM_DOTENV": str(folder / ".env"),
    }
