"""The help of each command takes little more processor time than the import of its libraries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from console.command_table import COMMANDS
from console.commands.command_group import Commands
from tests.support.processes.processor_time import strongroom, times_of_floor

pytestmark = [pytest.mark.nightly, pytest.mark.alone, pytest.mark.untraced]


def _names(name: str, command: Any) -> Iterator[str]:
    yield name
    for below, each in getattr(command, "commands", {}).items():
        yield from _names(f"{name} {below}", each)


ALL = ["", *(name for top, each in Commands(COMMANDS).items() for name in _names(top, each))]


@pytest.mark.parametrize("command", ALL)
def test_help_takes_at_most_three_times_the_import_of_its_libraries(command: str) -> None:
    assert times_of_floor(strongroom(*command.split(), "--help"), turns=3) <= 3
