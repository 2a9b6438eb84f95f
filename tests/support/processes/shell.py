"""Command ``strongroom`` as a user runs it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import psutil

from app_integration.testing.ports import free_ports
from local.layout import Layout
from local.ports import Ports, setting
from tests.support.processes import forked_command
from tests.support.processes.terminal import Terminal, open_terminal

ROOT = Path(__file__).parents[3]


class Shell:
    """Command ``strongroom`` on a deployment of its own."""

    def __init__(
        self, root: Path, variables: Mapping[str, str] | None = None, *, project: Path = ROOT
    ) -> None:
        self._project = project
        self.layout = Layout(root)
        self.ports = Ports(*free_ports(6))
        self.variables = dict(variables or {})

    def __call__(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        is_own = self._project == ROOT
        program = forked_command.command() if is_own else [sys.executable, "-m", "console"]
        return subprocess.run(
            [*program, *self._arguments(*arguments)],
            cwd=self._project,
            env=self._environment(),
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )

    def another(self, *, dev_env: bool = False) -> Shell:
        """Return another shell on the same deployment, whose variables set no port."""
        lines = self.layout.dev_env.read_text().splitlines()[1:] if dev_env else []
        pairs = [line.split("=", 1) for line in lines]
        return PlainShell(self.layout.root, {name: shlex.split(text)[0] for name, text in pairs})

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command, with unbuffered output."""
        return subprocess.Popen(
            [sys.executable, "-m", "console", *self._arguments(*arguments)],
            cwd=self._project,
            env={**self._environment(), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def on_terminal(self, *arguments: str) -> AbstractContextManager[Terminal]:
        """Run the command on a terminal, to which :mod:`rich` writes without colours."""
        command = [sys.executable, "-m", "console", *self._arguments(*arguments)]
        variables = {**self._environment(), "NO_COLOR": "1", "TERM": "dumb"}
        return open_terminal(command, env=variables, cwd=self._project)

    def _arguments(self, command: str, *arguments: str) -> list[str]:
        return [command, "--root", str(self.layout.root), *arguments]

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {**kept, **self._settings(), **self.variables}

    def _settings(self) -> dict[str, str]:
        return {setting(name): str(port) for name, port in self.ports.by_name().items()}

    def processes(self) -> list[str]:
        """Return the command lines of all processes that name the deployment's folder."""
        found = []
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if str(self.layout.root) in line and process.pid != os.getpid():
                found.append(line)
        return found


class PlainShell(Shell):
    def _settings(self) -> dict[str, str]:
        return {}
