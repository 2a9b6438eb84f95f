"""AppRole credentials in files, and the first of them: from root token to ``strongroom-apply``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import write_private
from app_integration.errors import RequestRefused
from app_integration.names import APPROLE_MOUNT
from app_integration.session.session import Session
from vault.reconcile.resources import Resource
from vault.reconcile.resources.ownership import bare

APPLY_ROLE: Final = "strongroom-apply"


def bootstrap(root: Session, resources: Iterable[Resource], folder: Path) -> None:
    """Make ``strongroom-apply`` and its credential in *folder*, then revoke the root token.

    Uses the declared resources themselves, so that a later plan finds nothing to change in them
    but the note that they are ours, which has no place to be yet.

    Args:
        root: logged in with the root token of a new server.
        resources: everything desired; only what the role needs is written.
        folder: where ``role-id`` and ``secret-id`` go.

    """
    for resource in resources:
        if f"{resource.kind} {resource.name}" in {
            f"mount auth/{APPROLE_MOUNT}",
            f"policy {APPLY_ROLE}",
            f"approle {APPLY_ROLE}",
        }:
            plain = bare(resource)
            plain.write(root, plain.read(root))
    ensure_credential(root, APPLY_ROLE, folder)
    root.post("auth/token/revoke-self", retry=False)


def ensure_credential(session: Session, role: str, folder: Path) -> bool:
    """Put a working role-id and secret-id of *role* into *folder*; True when one was issued."""
    role_id, secret_id = folder / "role-id", folder / "secret-id"
    if (
        role_id.exists()
        and secret_id.exists()
        and _is_known(session, role, secret_id.read_text(encoding="utf-8"))
    ):
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = f"auth/{APPROLE_MOUNT}/role/{role}"
    name = session.get(f"{path}/role-id")["data"]["role_id"]
    issued = session.post(f"{path}/secret-id", retry=False)["data"]["secret_id"]
    write_private(role_id, name)
    write_private(secret_id, issued)
    return True


def _is_known(session: Session, role: str, secret_id: str) -> bool:
    path = f"auth/{APPROLE_MOUNT}/role/{role}/secret-id/lookup"
    try:
        return bool(session.post(path, {"secret_id": secret_id}))
    except RequestRefused:
        return False
