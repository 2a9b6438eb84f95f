"""Faults of a user of the command line: each message leads to the commands that mend it.

Each file of ``commands`` plants a fault, says the situation without the answer, shows the command
with its message, and below ``The mend.`` what a reader then does, up to the success.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.team_repository import TeamRepository
from tests.support.transcripts import run_transcript

FILES: Final = sorted((Path(__file__).parent / "commands").glob("*.t"))
#: Faults below this number need no server.
STARTED_FROM: Final = 30


@pytest.fixture(scope="module")
def declared() -> Iterator[TeamRepository]:
    with TeamRepository() as team:
        yield team


@pytest.fixture(scope="module")
def started() -> Iterator[TeamRepository]:
    with TeamRepository() as team:
        team.start()
        yield team


def is_started(path: Path) -> bool:
    """Return whether the fault is one of a deployment that runs."""
    return int(path.name[:2]) >= STARTED_FROM


def check_fault(path: Path, team: TeamRepository) -> None:
    team.restore()
    text, now = run_transcript(path, team.repository, team.variables, team.spellings)
    assert now.splitlines() == text.splitlines()
    fault, mend = now.split("\nThe mend.\n")
    assert fault.rstrip().endswith("]"), "the command with the fault succeeds"
    assert not mend.rstrip().endswith("]"), "the mended command fails"


def test_there_are_50_faults() -> None:
    assert len(FILES) >= 50


@pytest.mark.parametrize(
    "path", [each for each in FILES if not is_started(each)], ids=lambda path: path.stem
)
def test_message_without_a_server_leads_to_the_mend(declared: TeamRepository, path: Path) -> None:
    check_fault(path, declared)


@pytest.mark.nightly
@pytest.mark.requires("embedded")
@pytest.mark.parametrize(
    "path", [each for each in FILES if is_started(each)], ids=lambda path: path.stem
)
def test_message_of_a_running_deployment_leads_to_the_mend(
    started: TeamRepository, path: Path
) -> None:
    check_fault(path, started)
