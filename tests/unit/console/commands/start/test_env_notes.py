"""Service that ``import-env`` declares from a ``.env`` file, and remarks about its config file."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.names import Environment, Scope
from console.commands.every_day.declaration_check import check_repository
from console.commands.start.env_creation import new_service
from console.commands.start.env_import import find_undelivered
from console.scaffold.new_repository import NewRepository
from vault.declare import repository
from vault.declare.repository import Repository
from vault.declare.schema.database import Database
from vault.declare.schema.model import Config, ServiceDeclaration
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import provided_to_new
from vault.dotenv.parse import parse
from vault.dotenv.plan import ImportPlan, build_import_plan

SCOPE = Scope("labels", Environment.DEV)
ENV = """\
# Printing of labels
export DATABASE_URL='postgres://ada:hunter2@db.internal:5432/labels' # ours
REDIS_URL=redis://cache.internal:6379/2
STOCK_URL=mysql://ada:hunter2@stock.internal/stock
PRINTER_TOKEN="it's = #1 $5"
PAGE_SIZE=25
DEBUG=true
SMTP_HOST=mail.internal
TITLE="Labels 📦: 'all'"
"""


@pytest.fixture
def team(tmp_path: Path) -> Repository:
    NewRepository("parcels", "ada").write(tmp_path)
    return repository.read(tmp_path)


def planned(text: str = ENV) -> ImportPlan:
    file = parse(Path(".env"), text.encode())
    declared = DeclaredVariables(SCOPE, {}, {}, {})
    return build_import_plan(file, declared, None, lambda *_: "setting", provided_to_new(file))


def test_service_has_the_secrets_settings_and_servers_of_the_file(team: Repository) -> None:
    new_service(planned(), "ada", "Prints 📦.", ["pii"], ".").write(team)
    assert check_repository(team).errors == ()
    service = team.load().service("labels")
    assert set(service.secrets) == {"database-url", "redis-url", "stock-url", "printer-token"}
    assert {source.source for source in service.secrets.values()} == {"given"}
    assert isinstance(service.database, Database)
    assert service.description == "Prints 📦."
    assert {name: setting.default for name, setting in service.settings.items()} == {
        "page-size": 25,
        "debug": False,
        "smtp-host": "mail.internal",
        "title": "Labels 📦: 'all'",
    }
    model = (team.root / "labels_config.py").read_text()
    for line in ("page_size: int", "debug: bool", "title: str", "stock_url: SecretStr"):
        assert f"    {line}\n" in model
    text = "".join(path.read_text() for path in team.root.rglob("*") if path.is_file())
    assert "hunter2" not in text


def test_database_of_another_kind_stays_a_given_secret(team: Repository) -> None:
    new_service(planned("DATABASE_URL=mysql://ada:x@db/labels\n"), "ada", "Prints.").write(team)
    service = team.load().service("labels")
    assert service.database is None
    assert list(service.secrets) == ["database-url"]


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("app.yaml.j2", 'api_token: {{ secret("api-token") }}'),
        ("app.toml.j2", 'api_token = {{ secret("api-token") }}'),
        ("app.json.j2", '"api_token": {{ secret("api-token") }},'),
        ("app.env.j2", 'API_TOKEN={{ secret("api-token") }}'),
    ],
)
def test_new_secret_of_a_service_with_a_config_is_said_with_its_line(
    template: str, line: str
) -> None:
    config = Config(template=template, model="labels:Config")
    service = ServiceDeclaration(service="labels", owner="ada", description="x", config=config)
    (note,) = find_undelivered(service, ["api-token"], Path("templates"))
    assert note == (
        "api-token is not in the config file: get_secret reads it, and the file gets it if you "
        f"add to templates/labels/{template}: {line}  and to labels:Config: api_token: SecretStr"
    )


def test_new_secret_of_a_service_without_a_config_is_not_said() -> None:
    service = ServiceDeclaration(service="labels", owner="ada", description="x")
    assert list(find_undelivered(service, ["api-token"], Path("templates"))) == []
