"""Client of :mod:`forked_server`: ``python -I -S forked_client.py SOCKET MODE ARGUMENT...``."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType

path, mode, *arguments = sys.argv[1:]
umask = os.umask(0)
os.umask(umask)
request = {
    "arguments": arguments,
    "mode": mode,
    "variables": dict(os.environ),
    "folder": os.getcwd(),  # noqa: PTH109 (importing pathlib would take most of the time)
    "umask": umask,
}
server = socket.socket(socket.AF_UNIX)
server.connect(path)
socket.send_fds(server, [b"\0"], [0, 1, 2])
server.sendall(json.dumps(request).encode() + b"\n")
answers = server.makefile()
pid = int(answers.readline())


def forward(number: int, _frame: FrameType | None) -> None:
    """Send the signal on to the command, with whose end this process ends."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, forward)
code = int(answers.readline())
if code < 0:
    if code != -signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
