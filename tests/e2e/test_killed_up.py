"""A first `up` that is killed at any point, and the next `up`, which completes it."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes.killed_up import check_next_up_completes, kill_after_steps
from tests.support.processes.shell import Shell

pytestmark = pytest.mark.requires("embedded")

#: Lines that a first start prints, one for each step.
STEPS = 8
#: Upper limit of the time at which a first start is killed, in seconds.
WHOLE = 5.0
#: Number of such times.
MOMENTS = 200


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / ".strongroom")
    yield shell
    shell("reset", "--yes")


def kill_when_it_listens(shell: Shell, port: int) -> None:
    """Kill `up` as soon as a server listens on *port*, and so before that server is set up."""
    with shell.begin("up") as process:
        while process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        process.kill()


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
def test_up_killed_after_any_step_is_completed_by_the_next(shell: Shell, steps: int) -> None:
    kill_after_steps(shell, steps)
    check_next_up_completes(shell)


@pytest.mark.parametrize("part", ["vault", "database", "redis", "smtp"])
def test_up_killed_when_a_server_listens_is_completed_by_the_next(shell: Shell, part: str) -> None:
    kill_when_it_listens(shell, shell.ports.by_name()[part])
    check_next_up_completes(shell)


def moments(count: int) -> list[float]:
    """Return *count* times in seconds, spread over a first start, the same in each run."""
    generator = random.Random(6)  # noqa: S311 (no secret)
    return [round(generator.uniform(0.3, WHOLE), 3) for _ in range(count)]


@pytest.mark.nightly
@pytest.mark.parametrize("seconds", moments(MOMENTS))
def test_up_killed_at_a_random_time_is_completed_by_the_next(shell: Shell, seconds: float) -> None:
    with shell.begin("up") as process:
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        process.communicate()
        timer.cancel()
    check_next_up_completes(shell)
