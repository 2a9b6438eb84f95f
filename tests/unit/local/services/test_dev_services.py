"""Settings and secrets of services that the local deployment provides."""

from __future__ import annotations

from pathlib import Path

from app_integration.names import Environment, Scope
from console.commands.start.env_creation import new_service
from console.scaffold.new_repository import NewRepository
from local.layout import Layout
from local.ports import HOST, Ports
from local.services.dev_services import service_accesses, with_local_servers
from vault.declare import repository
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import provided_to_new
from vault.dotenv.parse import parse
from vault.dotenv.plan import build_import_plan

SCOPE = Scope("labels", Environment.DEV)
ENV = """\
PGHOST=db
PGPORT=5432
PGUSER=ada
PGPASSWORD=hunter2
EMAIL_HOST=smtp.example.com
EMAIL_PORT=587
EMAIL_HOST_USER=ada
EMAIL_HOST_PASSWORD=hunter3
EMAIL_USE_TLS=true
SMTP_PASSWORD=hunter4
BACKUP_MAIL_PASSWORD=hunter5
NEWS_MAIL_SERVER=news.example.com
NEWS_MAIL_USE_TLS=False
NEWS_MAIL_USE_SSL=True
NEWS_MAIL_USERNAME=
NEWS_MAIL_PORT=
NEWS_MAIL_PASSWORD=hunter6
OLD_SMTP_HOST=old.example.com
OLD_SMTP_TLS=1
"""


def test_mail_account_of_each_name_is_that_of_this_machine(tmp_path: Path) -> None:
    file = parse(tmp_path / ".env", ENV.encode())
    provided = provided_to_new(file)
    declared = DeclaredVariables(SCOPE, {}, {}, {})
    plan = build_import_plan(file, declared, provided=provided)
    NewRepository("parcels", "ada").write(tmp_path)
    new_service(plan, "ada", "Prints.").write(repository.read(tmp_path))
    declaration = repository.read(tmp_path).load()
    assert declaration.service("labels").database is not None
    ports = Ports(*range(21000, 21006))
    assert with_local_servers(declaration, ports).settings(SCOPE) == {
        "email-host": HOST,
        "email-port": ports.smtp,
        "email-host-user": "labels",
        "email-use-tls": False,
        "news-mail-server": HOST,
        "news-mail-use-tls": "False",
        "news-mail-use-ssl": "False",
        "news-mail-username": "labels",
        "news-mail-port": str(ports.smtp),
        "old-smtp-host": HOST,
        "old-smtp-tls": 0,
    }
    named = declaration.with_deployment(
        SCOPE, database=None, redis=None, settings={"email-host-user": "eve"}
    )
    assert with_local_servers(named, ports).settings(SCOPE)["email-host-user"] == "eve"
    layout = Layout(tmp_path / ".strongroom")
    (access,) = service_accesses(layout, ports, declaration, lambda _: None)
    assert access.mail_passwords == (
        "smtp-password",
        "email-host-password",
        "news-mail-password",
    )
    assert access.provided_names == ["redis-url", *access.mail_passwords, "database-url"]
