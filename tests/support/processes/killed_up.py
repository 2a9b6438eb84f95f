"""Checks of an ``up`` that is killed, and of the next one."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from tests.support.processes.shell import Shell


def kill_after_steps(shell: Shell, steps: int) -> None:
    """Kill ``up`` after *steps* steps, without its servers, as the kernel's OOM killer does."""
    with shell.begin("up") as process:
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen += line.startswith("✓")
            if seen == steps:
                break
        process.send_signal(signal.SIGKILL)


def check_next_up_completes(shell: Shell, services: Iterable[str] = ()) -> None:
    """Check that ``up`` completes the start, is idempotent, and that ``reset`` removes it all."""
    again = shell("up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Traceback" not in again.stdout + again.stderr
    once_more = shell("up")
    assert "nothing was changed" in once_more.stdout, once_more.stdout + once_more.stderr
    for service in services:
        assert any((shell.layout.configs / service).iterdir()), service
    assert shell("reset", "--yes").returncode == 0
    assert shell.processes() == []
    assert not shell.layout.root.exists()
