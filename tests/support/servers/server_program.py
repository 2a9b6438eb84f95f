"""Program of the servers that tests start themselves: OpenBao, unless a variable names another.

``.github/workflows/vault.yml`` names HashiCorp's Vault, out of its image. The servers of the local
deployment are not started by this program, because an embedded one is always OpenBao.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from local.processes import binaries

#: The variable.
VARIABLE: Final = "STRONGROOM_TEST_SERVER"


def server_program() -> Path:
    """Return the path of the program, ``bao`` or ``vault``."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else binaries.openbao_path()


#: Mark of a test of what only OpenBao has; docs/Servers.md lists that.
openbao_only = pytest.mark.skipif(
    bool(os.environ.get(VARIABLE)), reason=f"{VARIABLE} names a server that lacks this"
)
