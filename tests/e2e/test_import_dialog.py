"""The questions of `import-env` about a new service, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from console.scaffold.new_repository import NewRepository
from tests.support.processes.shell import Shell
from tests.support.processes.terminal import END_OF_INPUT, INTERRUPT, Terminal

pytestmark = pytest.mark.requires("embedded")

ENV: Final = """\
DATABASE_URL=postgres://ada:hunter2@db.internal:5432/labels
CARRIER_TOKEN=tok_9f8e7d6c5b4a3f
ODD=x9Kd82hsQ0a1
PAGE_SIZE=25
"""
#: Question → answer, in their order.
DIALOG: Final = {
    "create it from this file? [Y/n]: ": "y",
    "decides. Is it a secret (s), a setting (t), or to skip (k): ": "t",
    "Owner (e-mail address or team): ": "ada",
    "What it does: ": "Prints labels.",
}


class Team:
    """Repository without services, and a `.env` file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "team"
        NewRepository("labels", "ada").write(self.repository)
        self.env = folder / ".env"
        self.env.write_text(ENV)
        self.shell = Shell(self.repository / ".strongroom", project=self.repository)

    def import_(self) -> AbstractContextManager[Terminal]:
        return self.shell.on_terminal("import-env", str(self.env), "--service", "labels")

    def files(self) -> Mapping[Path, bytes]:
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.mark.parametrize(
    ("answered", "key"),
    [*((count, INTERRUPT) for count in range(len(DIALOG))), (1, END_OF_INPUT)],
)
def test_question_without_an_answer_ends_the_command_unchanged(
    team: Team, answered: int, key: str
) -> None:
    before = team.files()
    questions = list(DIALOG)
    with team.import_() as terminal:
        for question in questions[:answered]:
            terminal.read_until(question)
            terminal.type(f"{DIALOG[question]}\n")
        terminal.read_until(questions[answered])
        terminal.type(key)
        assert terminal.finish().endswith("Aborted; nothing was changed.\n")
    assert terminal.process.returncode == 1
    assert team.files() == before


def test_answers_lead_to_a_service_in_use(team: Team, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: team.shell("reset", "--yes"))
    with team.import_() as terminal:
        for question, answer in DIALOG.items():
            assert "hunter2" not in terminal.read_until(question)
            terminal.type(f"{answer}\n")
        shown = terminal.finish()
    assert terminal.process.returncode == 0, shown
    assert "get_secret('carrier-token')  →  [REDACTED]  (version 1)" in shown
    assert team.env.read_text() == "ODD=x9Kd82hsQ0a1\nPAGE_SIZE=25\n"
    declared = (team.repository / "services" / "labels.yaml").read_text()
    assert 'description: "Prints labels."' in declared
