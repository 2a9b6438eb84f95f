"""Declaration of a service from a ``.env`` file: what it asks, and what it refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import Environment, Scope
from console.commands.start import env_creation
from console.commands.start.env_creation import CreationOptions, EnvCreation
from console.commands.start.env_import import EnvImport
from console.scaffold.new_repository import NewRepository
from console.target.checkout import Checkout
from console.target.target import open_target
from console.views import questions
from vault.declare.application_variables import application_variables
from vault.declare.errors import DeclarationError
from vault.declare.repository import Repository
from vault.dotenv import parse
from vault.dotenv.choices import Choices
from vault.dotenv.parse import InvalidDotenv
from vault.dotenv.plan import ImportPlan

ENV = "DATABASE_URL=postgres://ada:hunter2@db/labels\nAPI_TOKEN=hunter3\nODD=hunter4\nPORT=80\n"
ODD = Choices(secrets=frozenset({"ODD"}))
COMPLETE = CreationOptions(is_confirmed=True, owner="ada", description="Prints.")


class Team:
    """Repository without services, and a file beside it. *asked* has the questions so far."""

    def __init__(self, folder: Path) -> None:
        NewRepository("parcels", "ada", {Environment("prod"): "https://vault.example.com"}).write(
            folder / "parcels"
        )
        self.env = folder / "labels" / ".env"
        self.env.parent.mkdir()
        self.env.write_text(ENV)
        self.asked: list[str] = []
        self.said: list[str] = []
        self.root = folder / "parcels" / ".strongroom"

    @property
    def repository(self) -> Repository:
        return Checkout().repository

    def create(
        self,
        options: CreationOptions = COMPLETE,
        choices: Choices = ODD,
        service: str = "labels",
        environment: str = "dev",
    ) -> ImportPlan:
        target = open_target(environment, self.root)
        scope = target.scope(service)
        creation = EnvCreation(target, scope, choices, options, self.ask, self.said.append)
        return creation.create(parse.read(self.env))

    def ask(self, variable: str, _reason: str) -> str:
        self.asked.append(variable)
        return "secret"

    def files(self) -> dict[Path, bytes]:
        folder = self.env.parents[1]
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def remove_from_dev(self) -> None:
        """Leave the service without its entry, as a command that was killed before it does."""
        dev = self.repository.declaration / "environments" / "dev.yaml"
        entry = '  labels: {database: "127.0.0.1:15432", password_policy: "database"}'
        dev.write_text(dev.read_text().replace(entry, "  {}"))

    def add_application(self) -> None:
        python = self.env.parent / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\necho\n")
        python.chmod(0o755)


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    team = Team(tmp_path)
    monkeypatch.chdir(tmp_path / "parcels")
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    set_terminal(monkeypatch, present=False)
    return team


def set_terminal(monkeypatch: pytest.MonkeyPatch, *, present: bool) -> None:
    for module in (questions, env_creation):
        monkeypatch.setattr(module, "has_terminal", lambda: present)


def answering(team: Team, answers: dict[str, str]) -> Callable[..., str]:
    def prompt(text: str, default: str | None = None) -> str:
        team.asked.append(text.partition(" ")[0])
        return answers.get(text.partition(" ")[0], default or "")

    return prompt


def test_create_declares_the_service_and_returns_the_rest_of_the_import(team: Team) -> None:
    team.add_application()
    plan = team.create(replace(COMPLETE, application=team.env.parent))
    assert list(plan.secrets) == ["api-token", "odd"]
    assert list(plan.replaced) == ["database-url"]
    assert (plan.new_secrets, plan.new_settings) == ({}, {})
    declared = team.repository.load()
    assert declared.scopes("dev") == (Scope("labels", Environment.DEV),)
    config = declared.service("labels").config
    assert config is not None
    assert config.path == ".", "the folder is outside of the repository, and of this machine alone"
    here = open_target(root=team.root).local_deployment().declaration.service("labels").config
    assert here is not None
    assert here.path == "../labels"
    assert (team.env.parent / "labels_config.py").exists()
    assert any("prod.yaml has no entry yet" in line for line in team.said)
    assert team.env.read_text() == ENV


def test_service_has_no_config_that_nobody_asked_for(team: Team) -> None:
    team.add_application()
    team.create()
    assert team.repository.load().service("labels").config is None
    assert {path.name for path in team.env.parent.iterdir()} == {".env", ".venv"}


@pytest.mark.parametrize("has_application", [True, False])
def test_application_with_its_own_environment_keeps_the_variable(
    team: Team, *, has_application: bool
) -> None:
    team.env.write_text(ENV + "ENVIRONMENT=local\n")
    if has_application:
        team.add_application()
    team.create()
    declared = team.repository.load()
    scope = Scope("labels", Environment.DEV)
    variables = application_variables(declared, scope)
    assert variables == {"STRONGROOM_SERVICE": "labels", "STRONGROOM_ENVIRONMENT": "dev"}
    assert declared.settings(scope)["environment"] == "local"


@pytest.mark.parametrize(
    ("options", "choices", "error", "message"),
    [
        (CreationOptions(), ODD, ConfigurationError, "pass --create with --owner and --descript"),
        (CreationOptions(is_confirmed=True), ODD, ConfigurationError, "--owner and --description"),
        (COMPLETE, Choices(), InvalidDotenv, "ODD may be a secret"),
        (CreationOptions(True, "no one", "Prints."), ODD, DeclarationError, "owner is 'no one'"),
        (CreationOptions(True, "ada", "x", ["a\nb"]), ODD, InvalidName, "name"),
        (CreationOptions(True, "ada", "x", (), Path("none")), ODD, ConfigurationError, "none"),
    ],
    ids=["unconfirmed", "owner", "unclear", "invalid-owner", "invalid-key", "no-interpreter"],
)
def test_refused_creation_writes_nothing(
    team: Team,
    options: CreationOptions,
    choices: Choices,
    error: type[Exception],
    message: str,
) -> None:
    before = team.files()
    with pytest.raises(error, match=message):
        team.create(options, choices)
    assert team.files() == before


def test_backup_that_git_would_commit_is_refused_before_anything_is_written(team: Team) -> None:
    subprocess.run(["git", "init", "--quiet", team.env.parent], check=True)  # noqa: S607 (git is found by PATH)
    before = team.files()
    with pytest.raises(ConfigurationError, match=r"add \.env\.before-strongroom to"):
        team.create()
    assert team.files() == before


def test_service_is_created_in_dev_only(team: Team) -> None:
    with pytest.raises(ConfigurationError, match="in prod; declare it with: strongroom new servi"):
        team.create(environment="prod")


def test_similar_name_is_suggested(team: Team) -> None:
    team.create()
    with pytest.raises(ConfigurationError, match=r"lables is not declared \(did you mean labels"):
        team.create(CreationOptions(), service="lables")


def test_terminal_is_asked_after_the_file_was_classified(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_terminal(monkeypatch, present=True)
    monkeypatch.setattr(typer, "confirm", lambda text, **_: team.asked.append(text))
    monkeypatch.setattr(typer, "prompt", answering(team, {"Owner": "ada", "What": "Prints."}))
    team.create(CreationOptions(), Choices())
    assert team.asked == [
        "labels is not declared; create it from this file?",
        "ODD",
        "Owner",
        "What",
    ]
    assert team.said[0] == (
        "labels:\n  secrets, on the server (1): API_TOKEN\n"
        "  settings, which go to git with their values (1): PORT\n"
        "  of this machine's servers (1): DATABASE_URL\n  unclear (1): ODD"
    )


def test_skipped_variable_is_named_and_not_counted_as_unclear(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_terminal(monkeypatch, present=True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: None)
    monkeypatch.setattr(typer, "prompt", answering(team, {}))
    team.env.write_text("apiKey=hunter2\n2fa-pin=hunter3\nODD=hunter4\n")
    team.create(
        CreationOptions(owner="ada", description="Prints."),
        Choices(skipped=frozenset({"2fa-pin"})),
    )
    assert team.said[0] == (
        "labels:\n  secrets, on the server (1): apiKey\n  skipped, only in the file (1): 2fa-pin\n"
        "  unclear (1): ODD"
    )
    assert list(team.repository.load().service("labels").secrets) == ["api-key", "odd"]


def test_terminal_is_not_asked_about_a_file_with_a_fault(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_terminal(monkeypatch, present=True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: pytest.fail("asked"))
    team.env.write_text("API_TOKEN=hunter2\nTERMS=${API_TOKEN}\n")
    with pytest.raises(InvalidDotenv, match="TERMS contains the value of the secret API_TOKEN"):
        team.create(CreationOptions(), Choices(settings=frozenset({"TERMS"})))


def test_terminal_is_not_asked_if_the_application_cannot_be_used(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_terminal(monkeypatch, present=True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(ConfigurationError, match=r"none/\.venv/bin/python cannot be used"):
        team.create(CreationOptions(application=Path("none")), Choices())
    assert team.asked == []


def test_killed_creation_needs_no_second_answer(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.create()
    team.remove_from_dev()
    set_terminal(monkeypatch, present=True)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: pytest.fail("asked"))
    team.create(CreationOptions(is_confirmed=True))
    assert team.repository.load().scopes("dev") == (Scope("labels", Environment.DEV),)


def test_declared_service_of_other_environments_is_not_changed(team: Team) -> None:
    team.create()
    team.remove_from_dev()
    before = team.files()
    with pytest.raises(ConfigurationError, match=r"labels\.yaml exists with other content"):
        team.create(CreationOptions(is_confirmed=True, description="Other."))
    assert team.files() == before


def test_all_that_is_missing_is_said_at_once(team: Team) -> None:
    subprocess.run(["git", "init", "--quiet", team.env.parent], check=True)  # noqa: S607 (as above)
    before = team.files()
    with pytest.raises(ConfigurationError) as caught:
        team.create(CreationOptions(is_confirmed=True), Choices())
    assert team.files() == before
    message = str(caught.value)
    for part in ("--owner and --description", "ODD may be a secret", "add .env.before-strongroom"):
        assert part in message


def test_dry_run_lists_each_variable_and_writes_nothing(
    team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    target, before = open_target(root=team.root), team.files()
    EnvImport(target, "labels", Choices(), CreationOptions()).preview(team.env)
    shown = capsys.readouterr().out
    assert shown.splitlines()[1:5] == [
        "  secrets, on the server (1): API_TOKEN",
        "  settings, which go to git with their values (1): PORT",
        "  of this machine's servers (1): DATABASE_URL",
        "  unclear (1): ODD",
    ]
    assert "note: DATABASE_URL: on this machine labels gets a database of its own" in shown
    assert "ODD was skipped" not in shown
    assert "hunter" not in shown
    assert team.files() == before
    subprocess.run(["git", "init", "--quiet", team.env.parent], check=True)  # noqa: S607 (as above)
    with pytest.raises(ConfigurationError, match=r"add \.env\.before-strongroom"):
        EnvImport(target, "labels", Choices(), CreationOptions()).preview(team.env)
    elsewhere = EnvImport(open_target("prod", team.root), "labels", Choices(), CreationOptions())
    with pytest.raises(ConfigurationError, match="in prod; declare it with"):
        elsewhere.preview(team.env)
