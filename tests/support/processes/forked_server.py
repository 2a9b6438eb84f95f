"""Server that forks commands: ``python -m tests.support.processes.forked_server SOCKET``.

It ends when its standard input does. For each client it forks a monitor, which forks the command.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import Any

from console.command_table import COMMANDS
from console.commands.command_group import Commands


def import_commands() -> None:
    """Import the commands, and what most of them import when they run."""
    # Otherwise their consoles would take over whether these streams are a terminal.
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for command in Commands(COMMANDS).values():
            [*getattr(command, "commands", {}).values()]
        for name in ("sqlalchemy", "local.runtimes.embedded_runtime"):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that a fork copies no page for the collector's sake


def serve(path: str) -> None:
    """Fork a monitor for each client, until the standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a monitor
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        os.write(1, b"ready\n")
        while 0 not in select.select([listener.fileno(), 0], [], [])[0]:
            client, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                monitor(client)
                os._exit(0)
            client.close()


def monitor(client: socket.socket) -> None:
    """Run the command of *client* until either ends, and answer with its pid and exit code."""
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    request = json.loads(client.makefile().readline())
    pid = os.fork()
    if pid == 0:
        client.close()
        take_over(request, streams)
        runpy.run_module("console", run_name="__main__", alter_sys=True)  # raises SystemExit
    client.sendall(f"{pid}\n".encode())
    end = os.pidfd_open(pid)
    if end not in select.select([end, client.fileno()], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with suppress(OSError):  # the client may have been killed
        client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def take_over(request: dict[str, Any], streams: list[int]) -> None:
    """Take over the client's streams, variables, umask, folder and arguments."""
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["variables"])
    os.umask(request["umask"])
    os.chdir(request["folder"])
    if request["mode"] == "folder-first":
        sys.path.insert(0, request["folder"])
    sys.argv[1:] = request["arguments"]


if __name__ == "__main__":
    import_commands()
    serve(sys.argv[1])
