"""Files of the server's audit devices: those that an operator names, or the local deployment's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app_integration._internal import server_urls
from console.target.target import Target


@dataclass(frozen=True, slots=True)
class AuditFiles:
    """Files of audit devices; *namespace* is that of the deployment, empty for the root."""

    paths: tuple[Path, ...]
    namespace: str


def find_audit_files(target: Target, paths: Sequence[Path]) -> AuditFiles:
    """Return the files that an operator names, by default those of the local deployment."""
    is_local = target.is_local
    if not paths and is_local:
        local = target.local_deployment()
        local.servers.sync_audit()
        paths = tuple(path for path in local.layout.audit_logs if path.exists())
    return AuditFiles(tuple(paths), "" if is_local else server_urls.read_namespace(os.environ))
