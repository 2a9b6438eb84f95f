"""A first `up` of the deployment in containers that is killed at any point.

See tests/e2e/test_killed_up.py for the embedded deployment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes.killed_up import check_next_up_completes, kill_after_steps
from tests.support.processes.shell import Shell
from tests.support.servers.deployment import require_images

pytestmark = [pytest.mark.requires("docker"), pytest.mark.timeout(600)]

#: Lines that a first start prints, one for each step.
STEPS = 3


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    require_images()
    shell = Shell(tmp_path / ".strongroom", {**os.environ, "STRONGROOM_RUNTIME": "docker"})
    yield shell
    shell("reset", "--yes")


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
def test_up_killed_after_any_step_is_completed_by_the_next(shell: Shell, steps: int) -> None:
    kill_after_steps(shell, steps)
    check_next_up_completes(shell)
