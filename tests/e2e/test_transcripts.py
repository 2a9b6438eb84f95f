"""What a reader of each command sees: ``transcripts/<command>.t``, one example and one mistake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.team_repository import TeamRepository
from tests.support.transcripts import run_transcript

FOLDER: Final = Path(__file__).parent / "transcripts"
#: Commands that are shown in a repository whose deployment was never started.
WITHOUT_SERVER: Final = frozenset(
    {"check", "schema", "init", "new_service", "sdk-wheel"}
    | {f"policies_{name}" for name in ("check", "diff", "override", "who", "why")}
    | {"units", "agent_build", "monitoring_build", "aws_cost", "aws_rotation-function"}
    | {"environments_template", "environments_apply-policy", "migrate_build"}
)
#: Groups of commands that are used rarely, and commands that take seconds.
NIGHTLY: Final = (
    *("adopt", "audit_", "backup_", "console", "file_inspect", "file_rewrap", "keys_"),
    *("migrate_", "redis-rules_record", "rollout_", "rotate-password", "unwrap"),
)
WITH_SERVER: Final = sorted({path.stem for path in FOLDER.glob("*.t")} - WITHOUT_SERVER)
SLOW: Final = [name for name in WITH_SERVER if name.startswith(NIGHTLY)]


@pytest.fixture(scope="module")
def declared() -> Iterator[TeamRepository]:
    with TeamRepository() as team:
        yield team


@pytest.fixture(scope="module")
def started() -> Iterator[TeamRepository]:
    with TeamRepository() as team:
        team.start()
        yield team


def check_transcript(name: str, team: TeamRepository) -> None:
    team.restore()
    text, now = run_transcript(
        FOLDER / f"{name}.t", team.repository, team.variables, team.spellings
    )
    assert now.splitlines() == text.splitlines()


@pytest.mark.parametrize("name", sorted(WITHOUT_SERVER))
def test_command_without_a_server_prints_its_transcript(
    declared: TeamRepository, name: str
) -> None:
    check_transcript(name, declared)


@pytest.mark.requires("embedded")
@pytest.mark.parametrize("name", [name for name in WITH_SERVER if name not in SLOW])
def test_command_prints_its_transcript(started: TeamRepository, name: str) -> None:
    check_transcript(name, started)


@pytest.mark.nightly
@pytest.mark.requires("embedded")
@pytest.mark.parametrize("name", SLOW)
def test_slow_command_prints_its_transcript(started: TeamRepository, name: str) -> None:
    check_transcript(name, started)


@pytest.mark.parametrize("lost", ["  two", "  [3]"])
def test_transcript_that_lost_a_line_differs(
    lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPDATE_TRANSCRIPTS", raising=False)
    whole = "Prose.\n\n  $ echo one; echo; echo two; (exit 3)\n  one\n\n  two\n  [3]\n"
    file = tmp_path / "echo.t"
    file.write_text(whole)
    assert run_transcript(file, tmp_path, {}, {}) == (whole, whole)
    file.write_text(whole.replace(f"{lost}\n", ""))
    text, now = run_transcript(file, tmp_path, {}, {})
    assert (text != whole, now == whole) == (True, True)
