"""A command's help takes little more processor time than the import of its libraries."""

from __future__ import annotations

import pytest

from tests.support.processes.processor_time import strongroom, times_of_floor

pytestmark = [pytest.mark.alone, pytest.mark.untraced]

#: Those that took longest, and a group; tests/nightly measures all.
SLOWEST = ("audit", "rotate", "status", "units")


@pytest.mark.parametrize("command", SLOWEST)
def test_help_takes_at_most_three_times_the_import_of_its_libraries(command: str) -> None:
    assert times_of_floor(strongroom(*command.split(), "--help")) <= 3
