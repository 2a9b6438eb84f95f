"""Command that starts the agent at a server that answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: Starts the agent at the first server that answers and is not sealed; if there is none, at that of
#: its configuration, so that its log says why it fails. The variables have these names in OpenBao
#: too, and the standbys answer as well.
_SCRIPT: Final = (
    "config=$1 VAULT_CACERT=$2; export VAULT_CACERT; shift 2; for address; do "
    'VAULT_CLIENT_TIMEOUT=5 VAULT_MAX_RETRIES=0 "$0" status -address="$address" >/dev/null 2>&1 && '
    'exec "$0" agent -config="$config" -address="$address"; done; exec "$0" agent -config="$config"'
)


def agent_command(
    program: str, config: Path, addresses: Sequence[str], cacert: Path | None
) -> list[str]:
    """Return the command that starts the agent.

    An agent takes one address. It exits in an outage, so with several each start chooses one.
    """
    if len(addresses) == 1:
        return [program, "agent", f"-config={config}"]
    return ["/bin/sh", "-c", _SCRIPT, program, str(config), str(cacert or ""), *addresses]
