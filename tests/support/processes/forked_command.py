"""Command ``strongroom`` in a process that is forked from one that has imported it.

Importing takes most of the time of a short command, and the suite runs a thousand of them. The
command has the arguments, variables, folder, streams and exit code of its client, which is what a
test starts.
"""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[3]
_CLIENT: Final = Path(__file__).with_name("forked_client.py")
_SERVER: Final = "tests.support.processes.forked_server"


def command(*, safe_path: bool = False) -> list[str]:
    """Return the beginning of a command line that does what ``python -m console`` does.

    A signal that ends the client ends the command, a little later if it is SIGKILL.
    """
    mode = "safe-path" if safe_path else "folder-first"
    return [sys.executable, "-I", "-S", str(_CLIENT), _start_server(), mode]


@functools.cache
def _start_server() -> str:
    """Start the server of this process, and return the path of its socket."""
    folder = tempfile.TemporaryDirectory(prefix="forked-")
    path = str(Path(folder.name) / "socket")
    coverage = {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", _SERVER, path],
        cwd=_ROOT,
        env={"PYTHONPATH": str(_ROOT), **coverage},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"

    def end() -> None:
        server.communicate()  # closes the standard input, with which the server ends
        folder.cleanup()

    atexit.register(end)
    return path
