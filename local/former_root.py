"""Where a deployment's folder was at its last start, if it was moved or copied since."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app_integration.errors import ConfigurationError
from local.layout import Layout
from local.servers.hcl import read_strings

#: Index of the deployment's folder among the parents of an audit log.
_ROOT: Final = 2


def reject_moved(layout: Layout) -> None:
    """Check that the deployment in *layout* is where it was at its last start.

    The secrets server stores the paths of its audit logs, and does not become active with others.
    """
    before = _find_former_root(layout)
    if before is not None:
        raise ConfigurationError(
            f"{layout.root} was moved here from {before}, and its secrets server accepts no other"
            " place for its audit logs; move it back, or erase the deployment with: make"
            " vault-reset"
        )


def reject_copy(layout: Layout) -> None:
    """Check that the deployment in *layout* is not a copy of one that still exists.

    The records in a copy name the processes of the other one, which a stop would end.
    """
    before = _find_former_root(layout)
    # A server that runs on after its folder was moved creates its audit logs there again.
    if before is not None and Layout(before).run.is_dir():
        raise ConfigurationError(
            f"{layout.root} is a copy of {before}, and names its servers; use the deployment"
            " there, or delete the copy, which is a folder only, to make another one here"
        )


def _find_former_root(layout: Layout) -> Path | None:
    """Return the folder that the server's configuration names, None if it is that of *layout*."""
    try:
        text = layout.vault_configuration.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    logs = [Path(log) for log in read_strings(text, "file_path")]
    return logs[0].parents[_ROOT] if logs and logs != [*layout.audit_logs] else None
