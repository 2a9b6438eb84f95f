"""AppRole credentials in files, and the bootstrap of ``strongroom-apply`` with a root token."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import write_private
from app_integration.errors import RequestRefused
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.session.session import Session
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.resources import Resource
from vault.reconcile.resources.ownership import strip_ownership

APPLY_ROLE: Final = APPLY_JOB
PLAN_ROLE: Final = "strongroom-plan"


def bootstrap(
    root: Session,
    resources: Iterable[Resource],
    folder: Path,
    role: str = APPLY_ROLE,
    mounts: Mounts = DEFAULT_MOUNTS,
) -> None:
    """Create the apply role with its credential in *folder*, then revoke the root token.

    This writes the declared resources themselves, so a later plan changes nothing in them except
    the ownership metadata, for which there is no KV mount yet.

    Args:
        root: A session with the root token of a new server.
        resources: Those that the role needs, see :func:`.desired.apply_role_resources`.
        folder: Folder for the files ``role-id`` and ``secret-id``.
        role: The name of the apply role, which is its policy's too.
        mounts: The mounts of the deployment.

    """
    for resource in resources:
        plain = strip_ownership(resource)
        plain.write(root, plain.read(root))
    ensure_credential(root, role, folder, mounts)
    root.post("auth/token/revoke-self", retry=False)


def ensure_credential(
    session: Session, role: str, folder: Path, mounts: Mounts = DEFAULT_MOUNTS
) -> bool:
    """Write a valid role-id and secret-id of *role* to *folder*; return whether they were issued.

    A credential in *folder* that the server still accepts is kept.
    """
    path = f"{mounts.auth}/role/{role}"
    role_id, secret_id = folder / "role-id", folder / "secret-id"
    if (
        role_id.exists()
        and secret_id.exists()
        and _is_valid(session, path, secret_id.read_text(encoding="utf-8"))
    ):
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = session.get(f"{path}/role-id")["data"]["role_id"]
    issued = session.post(f"{path}/secret-id", retry=False)["data"]["secret_id"]
    write_private(role_id, name)
    write_private(secret_id, issued)
    return True


def _is_valid(session: Session, path: str, secret_id: str) -> bool:
    try:
        return bool(session.post(f"{path}/secret-id/lookup", {"secret_id": secret_id}))
    except RequestRefused:
        return False
