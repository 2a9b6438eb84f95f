"""A start that is killed, and the next."""

from __future__ import annotations

import signal

from tests.support.processes.shell import Shell


def kill_after_steps(shell: Shell, steps: int) -> None:
    """Kill the command alone, as the kernel does when memory is short; its servers stay."""
    with shell.begin("up") as process:
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen += line.startswith("✓")
            if seen == steps:
                break
        process.send_signal(signal.SIGKILL)


def check_next_up_completes(shell: Shell) -> None:
    again = shell("up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Traceback" not in again.stdout + again.stderr
    once_more = shell("up")
    assert "nothing was changed" in once_more.stdout, once_more.stdout + once_more.stderr
    assert shell("reset", "--yes").returncode == 0
    assert shell.processes() == []
    assert not shell.layout.root.exists()
