"""Audit logs of a local server: one file device for each, as either kind of server takes them.

OpenBao takes audit devices from its configuration, and refuses them over the API. HashiCorp's Vault
takes them over the API, and only warns that it ignores them in its configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app_integration.session.session import Session
from local.servers.hcl import render


def declare(logs: Sequence[Path]) -> str:
    """Return a server's configuration with a device for each of *logs*."""
    return render("audit.hcl.j2", audit_logs=logs)


def enable_missing(root: Session, logs: Sequence[Path]) -> None:
    """Enable a device for each of *logs* that the server did not take from its configuration."""
    enabled = root.get("sys/audit").get("data") or {}
    for log in logs:
        if f"{log.stem}/" not in enabled:
            device = {"type": "file", "options": {"file_path": str(log)}}
            root.post(f"sys/audit/{log.stem}", device, retry=False)
