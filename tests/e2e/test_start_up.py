"""Processor time of the commands that look at a running deployment, and stop it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes.processor_time import strongroom, times_of_floor
from tests.support.processes.shell import Shell

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.alone, pytest.mark.untraced]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / ".strongroom")
    assert shell("up").returncode == 0
    yield shell
    shell("reset", "--yes")


def test_status_and_down_take_at_most_four_times_the_import_of_their_libraries(
    running: Shell,
) -> None:
    root = ("--root", str(running.layout.root))
    assert times_of_floor(strongroom("status", *root)) <= 4
    taken = times_of_floor(strongroom("down", *root), turns=1)
    if taken > 4:  # another process may have added to a single turn
        assert running("up").returncode == 0
        taken = times_of_floor(strongroom("down", *root), turns=1)
    assert taken <= 4
    assert running.processes() == []
