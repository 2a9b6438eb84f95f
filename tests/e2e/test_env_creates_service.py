"""From a `.env` file and an empty repository to a running service, by one command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from agent.compiler.formats import BY_SUFFIX
from console.scaffold.new_repository import NewRepository
from tests.support.processes.application import ROOT, make_venv
from tests.support.processes.shell import Shell

pytestmark = pytest.mark.requires("embedded")

ENV = """\
# Parcels -- "development"

export DATABASE_URL='postgres://ada:hunter2@db.internal:5432/parcels'   # the team's own
REDIS_URL=redis://cache.internal:6379/2
CELERY_BROKER_URL=redis://cache.internal:6379/2
SMTP_HOST=mail.internal
SMTP_PASSWORD="hunter3 # = $x"
CARRIER_TOKEN="tok_9f'8e7d = #6c5b$4a3f 📦"  # ask Ada
CARRIER_TOKEN="tok_1f'8e7d = #6c5b$4a3f 📦"
SIGNING_KEY="line one
line two"
EMPTY_TOKEN=
PAGE_SIZE=25
DEBUG=false
NOTE='first
second: # "x"'
TITLE="Parcels of ${PAGE_SIZE} 📦"
"""
SETTINGS = ("SMTP_HOST", "PAGE_SIZE", "DEBUG", "NOTE", "TITLE")


class Team:
    """Repository without services, and an application with a `.env` file and the SDK."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "team"
        NewRepository("parcels", "ada").write(self.repository)
        self.application = folder / "parcels app"
        self.application.mkdir()
        self.env = self.application / ".env"
        self.env.write_text(ENV, encoding="utf-8")
        packages = Path(pytest.__file__).parents[1]
        self.python = make_venv(self.application / ".venv", packages, ROOT)
        self.shell = Shell(self.repository / ".strongroom", project=self.repository)
        options = ["--create", "--owner", "ada", "--description", "Ships.", "--key", "pii"]
        options += ["--setting", "NOTE", "--setting", "TITLE"]
        options += ["--config", str(self.application)]
        self.command = ["import-env", str(self.env), "--service", "parcels", *options]

    @property
    def backup(self) -> Path:
        return self.env.with_name(".env.before-strongroom")

    @property
    def live(self) -> Path:
        return self.shell.layout.config("parcels")

    def kill_after(self, text: str) -> None:
        """Kill the command as soon as it has printed *text*."""
        with self.shell.begin(*self.command) as process:
            assert process.stdout is not None
            assert any(text in line for line in process.stdout)
            process.kill()

    def run_sample(self, printed: str) -> list[str]:
        """Run the printed Python in the application's interpreter, as a reader would."""
        code = printed[printed.rindex("\nfrom app_integration import") :]
        variables = self.shell.layout.service_env("parcels")
        done = subprocess.run(
            ["/bin/sh", "-c", f'set -a; . "{variables}"; set +a; exec "{self.python}" -'],
            cwd=self.application,
            env={},
            input=code,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    team = Team(tmp_path_factory.mktemp("team"))
    yield team
    team.shell("reset", "--yes")


@pytest.fixture(scope="module")
def done(team: Team) -> subprocess.CompletedProcess[str]:
    """Return the command's result after it was killed once, while it wrote the secrets."""
    team.kill_after("carrier-token: written from CARRIER_TOKEN")
    assert team.env.read_text(encoding="utf-8") == ENV
    return team.shell(*team.command)


def test_killed_import_is_completed_by_the_same_command(
    team: Team, done: subprocess.CompletedProcess[str]
) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "carrier-token: the server already has this value, version 1" in done.stdout
    assert "3 secrets read back as parcels-dev: equal" in done.stdout
    assert f"config file: {team.live}" in done.stdout
    assert f"SMTP_HOST is 127.0.0.1 in {team.env}" in done.stdout
    assert "of this machine's servers (4): DATABASE_URL, REDIS_URL, SMTP_PASSWORD, CELERY" in (
        done.stdout
    )
    assert "strongroom sdk-wheel --out vendor/ (see docs/Installing.md)" in done.stdout
    for name in ("DATABASE_URL", "REDIS_URL", "SMTP_PASSWORD"):
        assert f"note: {name}: on this machine parcels gets a " in done.stdout
    assert "hunter" not in done.stdout
    assert "8e7d" not in done.stdout
    assert team.backup.read_text(encoding="utf-8") == ENV
    before = dotenv_values(team.backup)
    settings = {name: before[name] for name in SETTINGS}
    assert dotenv_values(team.env) == {**settings, "SMTP_HOST": "127.0.0.1"}


def test_printed_python_runs_as_printed_on_a_leased_user(
    team: Team, done: subprocess.CompletedProcess[str]
) -> None:
    secret, token, user = team.run_sample(done.stdout)
    assert (secret, token[:4]) == ("[REDACTED]", "sr3.")
    assert user.startswith("v-approle-parcels")


def test_config_has_each_value_as_it_was_in_the_file(
    team: Team, done: subprocess.CompletedProcess[str]
) -> None:
    assert done.returncode == 0
    config = BY_SUFFIX[team.live.suffix].read(team.live.read_text(encoding="utf-8"))
    assert isinstance(config, dict)
    before = dotenv_values(team.backup)
    for name in ("CARRIER_TOKEN", "SIGNING_KEY", "EMPTY_TOKEN", "NOTE", "TITLE"):
        assert config[name.lower()] == before[name]
    assert (config["page_size"], config["debug"]) == (25, False)
    assert config["redis_url"].startswith("redis://:")
    assert config["celery_broker_url"] == config["redis_url"]


def test_finish_keeps_the_values_that_are_nowhere_else(
    team: Team, done: subprocess.CompletedProcess[str]
) -> None:
    assert done.returncode == 0
    finished = team.shell("import-env", str(team.env), "--service", "parcels", "--finish")
    assert finished.returncode == 0, finished.stderr
    names = {"DATABASE_URL", "REDIS_URL", "SMTP_PASSWORD", "CELERY_BROKER_URL"}
    assert dotenv_values(team.backup).keys() == names
