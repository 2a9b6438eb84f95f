"""Stand-in for AWS: moto's server, which has Secrets Manager, KMS and IAM.

It keeps everything in memory, checks no permission, and accepts any identity. By default it also
lets a page of any site read its responses.
"""

from __future__ import annotations

import sys
import urllib.request
from typing import Final

from local.files import ensure_private_folder
from local.layout import Layout
from local.ports import HOST, Ports
from local.processes.processes import ProcessManager
from local.processes.program import Program
from local.servers.moto_package import require_moto
from local.servers.server_process import Server

START_SECONDS: Final = 60.0
REQUEST_SECONDS: Final = 2.0


class Moto(Server):
    """Stand-in for AWS. All its objects are in *account*, and are lost when it stops."""

    name = "aws"
    title = "moto (AWS)"
    port_names = ("aws",)
    folder_name = "aws"

    def __init__(
        self, layout: Layout, ports: Ports, processes: ProcessManager, account: str
    ) -> None:
        super().__init__(layout, ports, processes)
        self._account = account

    def start(self) -> None:
        """Start the server, and wait until it responds."""
        require_moto()
        ensure_private_folder(self._layout.aws)
        program = Program(
            name=self.name,
            command=(sys.executable, "-P", "-m", "moto.server", "-H", HOST, "-p", str(self.port)),
            folder=self._layout.aws,
            environment={
                "MOTO_ACCOUNT_ID": self._account,
                "MOTO_DISABLE_GLOBAL_CORS": "true",
            },
            ports=self.ports,
        )
        running = self._processes.start(program)
        self._processes.wait_until(
            running, lambda: self.is_listening() and self._is_responding(), START_SECONDS
        )

    def _is_responding(self) -> bool:
        url = f"http://{HOST}:{self.port}/moto-api/data.json"
        try:
            # Not through a proxy that the shell's variables name.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(url, timeout=REQUEST_SECONDS) as response:
                return bool(response.status == 200)  # noqa: PLR2004 (OK)
        except OSError:
            return False
