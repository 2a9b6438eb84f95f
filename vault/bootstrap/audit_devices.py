"""Audit devices of a server: whether it records who did what, before anything is put into it."""

from __future__ import annotations

from app_integration.errors import AccessDenied, ConfigurationError, RequestRefused
from app_integration.session.session import Session


def check_audit(session: Session, *, elsewhere: bool) -> None:
    """Check that the server has an audit device, unless the operator says it is *elsewhere*."""
    if elsewhere:
        return
    try:
        devices = session.get("sys/audit").get("data")
    except (AccessDenied, RequestRefused):
        raise ConfigurationError(
            "the audit devices cannot be read with this token, or in this namespace; if the "
            "server has one, pass --audit-elsewhere. Nothing was changed"
        ) from None
    if not devices:
        raise ConfigurationError(
            "the server has no audit device, so that nobody could tell later who read what. On "
            'OpenBao, add \'audit "file" "main" { options = { file_path = "/var/log/…" } }\' to '
            "the server's configuration and send it SIGHUP; on Vault, run 'vault audit enable "
            "file file_path=/var/log/…'. Then run this again. Nothing was changed"
        )
