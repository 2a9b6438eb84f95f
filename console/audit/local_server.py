"""Audit logs of the local deployment, and how its server opens them again."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console import operate
from vault.audit.archive.errors import ArchiveFailed

if TYPE_CHECKING:
    from vault.runtime.embedded import EmbeddedRuntime


def local_logs(environment: Environment, root: Path) -> Sequence[Path]:
    """Return the logs of the local deployment, also those that do not exist.

    Args:
        environment: Another one than the local deployment's has none here.
        root: Folder of the local deployment.

    Raises:
        ConfigurationError: If its servers run in containers.

    """
    return _runtime(root).layout.audit_logs if operate.is_local(environment, root) else ()


def reload_local(root: Path) -> None:
    """Have the server of the local deployment open its logs again.

    Args:
        root: Folder of the local deployment.

    Raises:
        ArchiveFailed: If it does not run.

    """
    running = _runtime(root).processes.find("vault")
    if running is None:
        raise ArchiveFailed("the local server does not run; start it with: make vault-up")
    os.kill(running.pid, signal.SIGHUP)


def _runtime(root: Path) -> EmbeddedRuntime:
    from vault.runtime.embedded import EmbeddedRuntime  # noqa: PLC0415 (most logs are on other servers)

    runtime = operate.local_deployment(root).servers
    if not isinstance(runtime, EmbeddedRuntime):
        raise ConfigurationError(
            "the audit logs of servers in containers are in a volume; name its files with "
            "--audit-log, where the volume is mounted"
        )
    return runtime
