"""Frameworks: an application on its `.env` file, on leased users, and back, as its page says.

And small services with a delivered config, each under its framework's own server.
"""

from __future__ import annotations

import hmac
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
import requests
import yaml
from dotenv import dotenv_values
from psycopg.sql import SQL, Identifier

from app_integration.config.loader import load_config
from app_integration.testing.ports import free_ports
from console.scaffold.new_repository import NewRepository
from examples.service_config import ServiceConfig
from local.layout import Layout
from local.ports import Ports, setting
from local.servers.accounts import Superuser
from local.services.service_files import read_variables
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.redis_site import running_valkey
from tests.support.polling import wait_until
from tests.support.processes import forked_command
from tests.support.processes.moved_application import MovedApplication, Page
from tests.support.processes.running_store import ROOT, START_SECONDS, STOP_SECONDS
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

FRAMEWORKS = ("flask", "fastapi", "django")
TOKEN = "a-token-of-the-scraper"


@dataclass
class Service:
    """Running example service."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=headers, timeout=30)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/sign?text=x").ok
        except requests.ConnectionError:
            return False

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()


Start = Callable[[str], Service]


@pytest.fixture
def start(deployment: Deployment, tmp_path: Path) -> Iterator[Start]:
    started: list[Service] = []
    token = tmp_path / "metrics-token"
    token.write_text(f"{TOKEN}\n")

    def run(framework: str) -> Service:
        (port,) = free_ports(1)
        log = tmp_path / f"{framework}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", f"tests.support.services.{framework}_service", str(port)],
                cwd=ROOT,
                env={**deployment.variables, "STRONGROOM_METRICS_TOKEN_FILE": str(token)},
                stdout=output,
                stderr=output,
            )
        service = Service(f"http://127.0.0.1:{port}", log, process)
        started.append(service)
        wait_until(service.is_ready, "a response", START_SECONDS)
        return service

    yield run
    for service in started:
        service.stop()


def revoked_tokens(deployment: Deployment) -> int:
    return len(deployment.audit_lines("auth/token/revoke-self"))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_service_reads_and_redacts_its_config_counts_and_revokes_its_token(
    start: Start, deployment: Deployment, framework: str
) -> None:
    secret = load_config(ServiceConfig, deployment.layout.config("gaara-store")).jwt.secret
    key = secret.get_secret_value()
    service = start(framework)

    right = hmac.new(key.encode(), b"hello", "sha256").hexdigest()
    assert service.get("/sign?text=hello").json() == {"delivered": right, "read": right}

    assert service.get("/fail").status_code == 500
    shown = "ValueError: bad key [REDACTED]"
    wait_until(lambda: shown in service.log.read_text(), "the traceback, scrubbed")

    page = service.get("/metrics")
    hits = 'strongroom_secret_access_total{environment="dev",outcome="hit",secret="jwt-secret"}'
    assert (page.status_code, hits in page.text) == (200, True)
    assert service.get("/metrics", Via="1.1 proxy").status_code == 403
    scraper = {"Via": "1.1 proxy", "Authorization": f"Bearer {TOKEN}"}
    assert service.get("/metrics", **scraper).text.startswith("# HELP")

    before = revoked_tokens(deployment)
    assert service.stop() == 0, service.log.read_text()
    wait_until(lambda: revoked_tokens(deployment) > before, "the revocation of the token")
    assert key not in service.log.read_text()


PYTEST: Final = ("pytest", "-q", "tracking")


@dataclass(frozen=True)
class Seen:
    """How much an application has stored, and the database users of its processes."""

    stored: int
    users: set[str]


@dataclass(frozen=True)
class WebService:
    """Framework whose application is a server."""

    page: Page
    example: str
    migrate: tuple[str, ...]
    serve: tuple[str, ...]
    worker: tuple[str, ...] = ()
    test: tuple[str, ...] = PYTEST

    def use(self, application: MovedApplication, variables: Mapping[str, str], item: str) -> Seen:
        """Migrate the database, start the application, and have it store *item*."""
        application.run(*self.migrate, variables=variables)
        with application.serving(*self.serve, variables=variables) as url:
            assert requests.post(f"{url}/parcels/{item}", timeout=30).status_code == 201
            assert requests.get(f"{url}/fail", timeout=30).status_code == 500
            has_metrics = "strongroom_" in requests.get(f"{url}/metrics", timeout=30).text
            users = self._printed_by(application, variables, f"{url}/parcels")
            listed = requests.get(f"{url}/parcels", timeout=30).json()
        assert has_metrics == ("STRONGROOM_SERVICE" in variables)
        assert has_metrics == ("[REDACTED]" in application.log.read_text())
        return Seen(len(listed["numbers"]), {listed["user"], *users})

    def _printed_by(
        self, application: MovedApplication, variables: Mapping[str, str], url: str
    ) -> set[str]:
        """Run the worker, if there is one, until each label is printed; return who printed them."""
        if not self.worker:
            return set()

        def printed() -> list[str]:
            found: list[str] = requests.get(url, timeout=30).json()["printed_by"]
            return found

        with application.running(*self.worker, variables=variables, log="worker.log"):
            wait_until(lambda: all(printed()), "a worker", START_SECONDS)
        return set(printed()[-1:])


@dataclass(frozen=True)
class Worker:
    """Application that sends mails from a queue in its database until SIGTERM."""

    page: Page
    example: str
    test: tuple[str, ...] = PYTEST

    def use(self, application: MovedApplication, variables: Mapping[str, str], item: str) -> Seen:
        """Add a mail by one process, and have it sent by another."""
        application.run("tracking.worker", item, variables=variables)
        with application.running("tracking.worker", variables=variables) as running:
            wait_until(lambda: running.has_logged(f"sent to {item}"), "a mail", START_SECONDS)
        pattern = rf"mail (\d+) sent to {item} by (\S+)"
        ((number, user),) = re.findall(pattern, application.log.read_text())
        return Seen(int(number), {user})


@dataclass(frozen=True)
class Script:
    """Script that stores a row, and prints how many there are."""

    page: Page
    example: str
    test: tuple[str, ...] = ("tracking.report",)

    def use(self, application: MovedApplication, variables: Mapping[str, str], _item: str) -> Seen:
        """Run the script once."""
        printed = application.run("tracking.report", variables=variables)
        application.log.write_text(printed)
        (count, user), *_ = re.findall(r"(\d+) reports by (\S+),", printed)
        return Seen(int(count), {user})


MOVED: Final[dict[str, WebService | Worker | Script]] = {
    "fastapi": WebService(
        Page("FastAPI"),
        "fastapi_service",
        ("alembic", "-c", "tracking/alembic.ini", "upgrade", "head"),
        ("uvicorn", "tracking.main:app", "--port", "{port}"),
    ),
    "flask": WebService(
        Page("Flask"),
        "flask_service",
        ("alembic", "-c", "tracking/alembic.ini", "upgrade", "head"),
        ("gunicorn", "tracking.main:app", "--bind", "127.0.0.1:{port}"),
        ("tracking.jobs",),
    ),
    "django": WebService(
        Page("Django"),
        "django_service",
        ("tracking.manage", "migrate"),
        ("gunicorn", "tracking.wsgi", "--bind", "127.0.0.1:{port}"),
        ("celery", "-A", "tracking", "worker", "--concurrency", "1"),
        ("tracking.manage", "test", "--settings", "tracking.settings_test"),
    ),
    "asyncio": Worker(Page("Asyncio"), "asyncio_worker"),
    "script": Script(Page("Script"), "plain_script"),
}


@dataclass
class Team:
    """Team with a repository of its own, and a PostgreSQL from before."""

    repository: Path
    superuser: Superuser
    redis: str
    ports: Ports = field(default_factory=lambda: Ports(*free_ports(6)))
    databases: list[OwnDatabase] = field(default_factory=list)

    @property
    def layout(self) -> Layout:
        return Layout(self.repository / ".strongroom")

    def old_database(self, name: str) -> str:
        """Create a database and a user of the same name, and return the URL."""
        with self.superuser.connect() as connection:
            role = SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD 'x7Kq-b4c9d2'")
            connection.execute(role.format(Identifier(name)))
        self.databases.append(OwnDatabase(self.superuser, name))
        self.databases[-1].create(owner=name)
        return f"{name}:x7Kq-b4c9d2@{self.superuser.address}/{name}"

    def drop_old_databases(self) -> None:
        for each in self.databases:
            each.drop()
            with self.superuser.connect() as connection:
                connection.execute(SQL("DROP ROLE {}").format(Identifier(each.name)))

    def install_tool(self) -> None:
        program = self.repository.with_name("bin") / "strongroom"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.join(forked_command.command())} "$@"\n')
        program.chmod(0o700)

    def run(self, commands: str, home: Path) -> None:
        """Run commands of a shell in the repository."""
        ports = {setting(each): str(port) for each, port in self.ports.by_name().items()}
        path = f"{self.repository.with_name('bin')}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-euc", commands],
            cwd=self.repository,
            env={"PATH": path, "HOME": str(home), **ports},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def declare(self, page: Page, service: str) -> None:
        """Add the page's lines to the declaration of the service and of its entry in dev."""
        lines = dict(page.files("yaml"))
        if not lines:
            return
        with (self.repository / "services" / f"{service}.yaml").open("a") as file:
            file.write(lines["services/tracking.yaml"])
        path = self.repository / "environments" / "dev.yaml"
        environment = yaml.safe_load(path.read_text())
        added = yaml.safe_load(lines["environments/dev.yaml"])["services"]["tracking"]
        environment["services"][service].update(added)
        path.write_text(yaml.safe_dump(environment))

    def variables(self, service: str) -> dict[str, str]:
        return read_variables(self.layout.service_env(service))

    def revoked_tokens(self) -> int:
        return self.layout.audit_logs[0].read_text().count('"path":"auth/token/revoke-self"')


@pytest.fixture(scope="module")
def team(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    repository = tmp_path_factory.mktemp("team") / "parcels"
    NewRepository("parcels", "ada").write(repository)
    superuser = deployment.local.service("gaara-store").access.require_database().superuser
    with running_valkey(tmp_path_factory.mktemp("cache")) as valkey:
        team = Team(repository, superuser, valkey.url().reveal().partition("://")[2])
        team.install_tool()
        yield team
    team.drop_old_databases()
    team.run("strongroom reset --yes", repository.parent)


def import_env(
    team: Team, application: MovedApplication, service: str, commands: list[str]
) -> dict[str, str | None]:
    """Move the secrets to the server by the page's *commands*; return the settings, which stay."""
    before = dotenv_values(application.env)
    first, *others = commands
    team.run(first, application.folder.parent)
    team.declare(application.page, service)
    for each in others:
        team.run(each, application.folder.parent)
    kept = dotenv_values(application.env)
    assert len(kept) == 1
    assert kept.items() < before.items()
    return kept


@pytest.mark.parametrize("name", MOVED)
def test_application_is_moved_to_leased_users_and_back(
    team: Team, tmp_path: Path, name: str
) -> None:
    framework = MOVED[name]
    page = framework.page
    application = MovedApplication(tmp_path / "parcels-code", framework.example, page)
    urls = {"DATABASE_URL": team.old_database(f"old_{name}"), "REDIS_URL": team.redis}
    application.env.write_text(page.env(urls))
    old = {variable: value or "" for variable, value in dotenv_values(application.env).items()}
    *before, way_back = page.commands(name)
    (tmp_path / "parcels").symlink_to(team.repository)

    application.write(is_moved=False)
    assert framework.use(application, {}, "P-1") == Seen(1, {f"old_{name}"})

    kept = import_env(team, application, name, before)
    application.write(is_moved=True)
    revoked = team.revoked_tokens()
    moved = framework.use(application, team.variables(name), "P-2")
    assert moved.stored == 1
    assert {user[:10] for user in moved.users} == {"v-approle-"}
    log = application.log.read_text()
    assert not [text for text in {*old.values()} - {*kept.values()} if text in log]
    wait_until(lambda: team.revoked_tokens() > revoked, "the revocation of the token")

    # The page's tests, without a server.
    application.write_tests()
    memory = {"SECRETS_BACKEND": "memory", "STRONGROOM_SERVICE": name, "ENVIRONMENT": "dev"}
    tested = application.run(*framework.test, variables={**old, **memory})
    assert re.search(f"1 passed|Ran 1 test|by old_{name}", tested)

    team.run(way_back, tmp_path)
    application.write(is_moved=False)
    back = framework.use(application, {}, "P-3")
    assert back.stored == 2
    assert not [user for user in back.users if user.startswith(("v-", "old_"))]
