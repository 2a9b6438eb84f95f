"""What a reader of each command sees: ``transcripts/<command>.t``, one example and one mistake.

A line that begins with two spaces and ``$`` is a command, and ``>`` continues it. The lines below
are what it prints, and its exit code in brackets if that is not 0. Every other line is prose. All
commands of a file run in one shell. What must differ between two runs has a fixed spelling.
``UPDATE_TRANSCRIPTS=1`` writes what was printed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

import pytest

from app_integration.testing.ports import free_ports
from local.ports import Ports, setting
from tests.support.processes import forked_command
from tests.support.processes.application import ROOT, make_venv

#: How a transcript spells the temporary folder, which is as long so that tables keep their form.
SPELLED_FOLDER: Final = "/home/ada/projects"
#: How a transcript spells the ports, which all have five digits.
PORTS: Final = Ports(18200, 18201, 15432, 16379, 11025, 18080, 15000)
#: Services, as arguments of ``strongroom new service``.
PARCELS: Final = (
    "parcels --owner ada --description Ships --key pii --given carrier-token --given mail-password"
    " --generate session-key --generate webhook-key"
    " --database --database-at prod=db.example.com:5432"
)
LABELS: Final = "labels --owner bo --description Prints --generate api-key --config ../labels"
MIGRATION: Final = """\
migration: letters
service: parcels
table: letters
columns:
  address: {field: letters.address}
quiet_for: 1s
backups_kept_for: 35d
"""
#: Runs a statement as the service does, for transcripts that need a table.
SQL: Final = """\
import sys
from app_integration import database_engine
with database_engine().begin() as connection:
    connection.exec_driver_sql(sys.argv[1])
"""
#: Values of parcels before it had a server.
ENV: Final = """\
CARRIER_TOKEN=tok-9f8e7d6c5b4a3f
MAIL_PASSWORD=mail-1a2b3c4d5e6f
DATABASE_URL=postgres://ada:pw@db.example.com:5432/parcels
"""


class TeamRepository:
    """Repository ``parcels``, which declares a service of that name in dev and prod."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="team-", dir="/tmp"))
        self.repository = self.folder / "parcels"
        self._home = self.folder / "home"
        self._ports = Ports(*free_ports(6)).by_name()
        strongroom = shlex.join(forked_command.command(safe_path=True))
        self._write_program("strongroom", f'#!/bin/sh\nexec {strongroom} "$@"\n')
        self._write_program("sql", f"#!{sys.executable}\n{SQL}")
        self.run("init parcels --owner ada --environment prod=https://vault.example.com:8200")
        self.run(f"new service {PARCELS}")
        self.run(f"new service {LABELS}")
        (self.repository / "migrations").mkdir()
        (self.repository / "migrations" / "letters.yaml").write_text(MIGRATION)
        self._git("init", "--quiet", "--initial-branch", "main")
        self._git("add", ".")
        self._git("commit", "--quiet", "--message", "Declare parcels")
        self._home.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run("reset --yes")
        shutil.rmtree(self.folder)

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of a developer's shell."""
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self._home),
            "TZ": "UTC",
            "TERM": "dumb",
            **{setting(name): str(port) for name, port in self._ports.items()},
        }

    @property
    def spellings(self) -> dict[str, str]:
        """Return what transcripts spell in the same way in each run."""
        ports = PORTS.by_name()
        return {
            str(self.folder): SPELLED_FOLDER,
            **{str(port): str(ports[name]) for name, port in self._ports.items()},
        }

    def start(self) -> None:
        """Start the local deployment with the values of a ``.env`` file."""
        application = self.folder / "app"
        application.mkdir()
        (application / ".env").write_text(ENV)
        make_venv(self.folder / "labels" / ".venv", Path(pytest.__file__).parents[1], ROOT)
        self.run("up")
        self.run("import-env ../app/.env --service parcels")
        table = "CREATE TABLE letters (id int PRIMARY KEY, address text)"
        line = f". .strongroom/env/parcels.env; set +a; sql '{table}'"
        command = ["/bin/sh", "-aec", line]
        subprocess.run(command, cwd=self.repository, env=self.variables, check=True)

    def restore(self) -> None:
        """Undo what a transcript did to files. Servers keep running."""
        self._git("checkout", "--quiet", "--", ".")
        self._git("clean", "-fdqx", "--exclude", "/.strongroom", "--exclude", "/*.local.yaml")
        shutil.rmtree(self._home)
        self._home.mkdir()

    def run(self, line: str) -> None:
        """Run a command that must succeed."""
        done = subprocess.run(
            ["strongroom", *shlex.split(line)],  # noqa: S607 (it is in the folder of programs)
            cwd=self.repository if self.repository.exists() else self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _git(self, *arguments: str) -> None:
        command = ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.com", *arguments]
        subprocess.run(command, cwd=self.repository, env=self.variables, check=True)

    def _write_program(self, name: str, text: str) -> None:
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o700)


SECONDS: Final = 120.0  # timeout of a file
_MARK: Final = "@@exit"
_COMMAND: Final = re.compile(r"^  \$ (.*(?:\n  > .*)*)$", re.MULTILINE)
_PROSE: Final = re.compile(r"^(?! ).+(?:\n(?! ).+)*", re.MULTILINE)
#: What differs between two runs, and its spelling, as long where a table may have it.
_VARYING: Final = tuple(
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        (r"\b\d{4}-\d\d-\d\d([ T])\d\d:\d\d", r"2026-01-02\g<1>03:04"),
        (r"(?<=03:04):\d\d(?:\.\d+)?", ":05"),
        (r"\b\d{4}-\d\d-\d\d(?![ T]03:04)\b", "2026-01-02"),
        (r"(?m)^\d\d:\d\d:\d\d ", "03:04:05 "),
        (r"\b\d{8}T\d{6}(?:\.\d+)?Z", "20260102T030405Z"),
        (r"\b\d+\.\d m?s\b", "0.1 s"),
        (r"\b\d+\.\d kB\b", "1.2 kB"),
        (
            r"\b(?:\d{1,3}(?:,\d{3})+|\d{3,})(?= (?:bytes|lines|new|requests|MB are|MB free)\b)",
            "1,234",
        ),
        (r"\b\d+ tables?, \d+ rows?", "1 table, 2 rows"),
        (r"/open/[\w-]+", "/open/…"),
        (r"\bv-approle-([\w-]+?)-\w{20}-\d{10}\b", r"v-approle-\g<1>-…"),
        (r"\bsr3\.[\w-]+…?", "sr3.…"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000"),
        (r"\b[0-9a-f]{64}\b", "0" * 64),
        (r"\bpid +since", "pid   since"),
        (r"(?<=  )\d+m(?=  )", "0m"),
        (r"(?<=running  )( {5}|\d{5})  \d+ +", r"\g<1>  4242  "),
    )
)


def run_transcript(
    path: Path, folder: Path, variables: Mapping[str, str], spellings: Mapping[str, str]
) -> tuple[str, str]:
    """Run the commands of a file in *folder*, and return its text and that of this run.

    *spellings* replaces what only this run has, such as the folder.
    """
    text = path.read_text(encoding="utf-8")
    commands = [found[1].replace("\n  > ", "\n") for found in _COMMAND.finditer(text)]
    outputs = iter(_run(commands, folder, variables))
    now, was_prose = "", True
    for found in sorted([*_PROSE.finditer(text), *_COMMAND.finditer(text)], key=re.Match.start):
        is_prose = found.re is _PROSE
        now += "\n" if now and (is_prose or was_prose) else ""
        now += found[0] + ("" if is_prose else _show(*next(outputs), spellings)) + "\n"
        was_prose = is_prose
    if os.environ.get("UPDATE_TRANSCRIPTS") == "1":
        path.write_text(now, encoding="utf-8")
        return now, now
    return text, now


def _run(commands: list[str], folder: Path, variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Run *commands* in one shell, and return what each printed, and its exit code."""
    lines = [f"{command}\nprintf '\\n{_MARK} %s\\n' $?" for command in commands]
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(["exec 2>&1", *lines])],
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
        timeout=SECONDS,
    )
    parts = re.split(rf"\n{_MARK} (\d+)\n", done.stdout.decode("utf-8", "backslashreplace"))
    assert len(parts) == 2 * len(commands) + 1, f"the shell ended early: {parts[-1]}"
    return list(zip(parts[::2], parts[1::2], strict=False))


def _show(printed: str, code: str, spellings: Mapping[str, str]) -> str:
    """Return the lines below a command in their spelling."""
    for actual, spelling in spellings.items():
        printed = printed.replace(actual, spelling)
    for pattern, spelling in _VARYING:
        printed = pattern.sub(spelling, printed)
    lines = [*printed.strip("\n").split("\n"), *([f"[{code}]"] if code != "0" else [])]
    return "".join(f"\n  {line}".rstrip(" ") for line in lines if printed or line)


FOLDER: Final = Path(__file__).parent / "transcripts"
#: Commands that are shown in a repository whose deployment was never started.
WITHOUT_SERVER: Final = frozenset(
    {"check", "schema", "init", "new_service", "sdk-wheel", "policies_override", "policies_diff"}
    | {"units", "agent_build", "monitoring_build", "aws_cost", "aws_rotation-function"}
    | {"environments_template", "environments_apply-policy"}
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
