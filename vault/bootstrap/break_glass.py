"""Credential for emergencies: it may use the recovery keys, and nothing else.

Without the apply role's credential, an administrator needs a new root token. The server makes it
from its recovery or unseal keys, but OpenBao asks for a token that may begin that, unless a switch
of its listener is set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app_integration.errors import AccessDenied, RequestRefused
from app_integration.session.session import Session
from vault.declare import durations
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import APPLY_JOB, BREAK_GLASS
from vault.reconcile.credentials import ensure_credential
from vault.reconcile.resources import ReadSession, read_data
from vault.reconcile.resources.auth import AppRole
from vault.reconcile.resources.policies import Policy

_TOKEN_TTL: Final = 15 * durations.MINUTE
#: The endpoint that a listener answers without a token, if its switch is set.
_OPEN: Final = "sys/generate-root/attempt"
_POLICY: Final = """\
# Makes a root token, together with the recovery or unseal keys. Alone it can do nothing.
path "sys/generate-root-token/attempt" {
  capabilities = ["create", "read", "update", "delete"]
}
path "sys/generate-root-token/update" {
  capabilities = ["create", "update"]
}
# As Vault names them.
path "sys/generate-root/attempt" {
  capabilities = ["create", "read", "update", "delete"]
}
path "sys/generate-root/update" {
  capabilities = ["create", "update"]
}
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
"""


def issue(session: Session, declared: EnvironmentDeclaration, folder: Path) -> bool:
    """Write the policy, its AppRole, and a credential; return whether one was issued.

    A valid credential in *folder* is kept.
    """
    name, mounts = declared.server_name(BREAK_GLASS), declared.mounts
    for resource in (
        Policy(name, _POLICY, declared.deployment),
        AppRole(name, (name,), token_ttl=_TOKEN_TTL, mount=mounts.approle),
    ):
        resource.write(session, resource.read(session))
    return ensure_credential(session, name, folder, mounts)


def find_lack(reader: ReadSession, declared: EnvironmentDeclaration) -> str | None:
    """Return that an environment lacks both ways to a new root token, None if it has one.

    The result is None, too, if *reader* may not tell, or if the platform team has the apply role.
    """
    path = f"{declared.mounts.auth}/role/{declared.server_name(BREAK_GLASS)}"
    try:
        if declared.is_scoped or read_data(reader, path) is not None or _is_open(reader):
            return None
    except AccessDenied:
        return None
    return (
        f"{declared.environment}: no credential for emergencies. If that of "
        f"{declared.server_name(APPLY_JOB)} is lost, nobody can replace it without "
        "restarting the server. Make one now, and keep it elsewhere: strongroom break-glass --env "
        f"{declared.environment} --out FOLDER"
    )


def _is_open(reader: ReadSession) -> bool:
    try:
        reader.get(_OPEN)
    except RequestRefused:
        return False
    return True
