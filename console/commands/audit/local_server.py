"""Audit logs of the local deployment, and how its server opens them again."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from console.target.target import Target
from vault.audit.archive.errors import ArchiveFailed

if TYPE_CHECKING:
    from local.runtimes.embedded_runtime import EmbeddedRuntime


def local_logs(target: Target) -> Sequence[Path]:
    """Return the logs of the local deployment, also those that do not exist."""
    return _runtime(target).layout.audit_logs if target.is_local else ()


def reload_local(target: Target) -> None:
    """Have the server of the local deployment open its logs again."""
    running = _runtime(target).processes.find("vault")
    if running is None:
        raise ArchiveFailed("the local server does not run; start it with: strongroom up")
    os.kill(running.pid, signal.SIGHUP)


def _runtime(target: Target) -> EmbeddedRuntime:
    from local.runtimes.embedded_runtime import EmbeddedRuntime  # noqa: PLC0415 (most logs are on other servers)

    runtime = target.local_deployment().servers
    if not isinstance(runtime, EmbeddedRuntime):
        raise ConfigurationError(
            "the audit logs of servers in containers are in a volume; name its files with "
            "--audit-log, where the volume is mounted"
        )
    return runtime
