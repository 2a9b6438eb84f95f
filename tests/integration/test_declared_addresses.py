"""A declared database and Redis without a secret that has their URL, on a local deployment."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Final

import pytest
from rich.console import Console
from sqlalchemy import text

from app_integration import (
    async_database_engine,
    async_database_pool,
    async_redis_client,
    database_engine,
    database_pool,
    default_client,
    redis_client,
)
from app_integration.errors import AccessDenied
from app_integration.settings import from_environment
from app_integration.testing.ports import free_ports
from console.commands.every_day.shown_deployment import show_deployment
from console.scaffold.sample_code import sample_lines
from local.deployment import LocalDeployment
from local.layout import Layout
from local.ports import Ports
from local.runtime_interface import no_progress
from local.runtimes.embedded_runtime import EmbeddedRuntime
from tests.support.databases import django_project
from vault.declare.load import load
from vault.service_database import read_url

django_project.set_up()

pytestmark = pytest.mark.requires("embedded")

WHO: Final = "SELECT session_user"
TIMES: Final = {"ttl": "1h", "max_ttl": "24h"}
BILLING: Final = {
    "service": "billing",
    "owner": "team-a",
    "description": "Writes invoices.",
    "database": {
        "engine": "postgresql",
        "name": "invoices",
        "roles": {"default": TIMES},
        "share": {"reports": ["readonly"]},
    },
    "redis": {"roles": {"default": {"rules": ["~visits:*", "+@read", "+@write"], **TIMES}}},
}
REPORTS: Final = {
    "service": "reports",
    "owner": "team-a",
    "description": "Reads invoices.",
    "database": {"of": "billing", "roles": {"readonly": TIMES}},
}
DEV: Final = {
    "environment": "dev",
    "owner": "team-a",
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
    "services": {
        "billing": {
            "database": "127.0.0.1:15432",
            "redis": {"address": "127.0.0.1:16379"},
        },
        "reports": {},
    },
}


@pytest.fixture(scope="module")
def local(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalDeployment]:
    folder = tmp_path_factory.mktemp("team")
    for name, content in (
        ("services/billing.yaml", BILLING),
        ("services/reports.yaml", REPORTS),
        ("environments/dev.yaml", DEV),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    layout = Layout(folder / ".strongroom")
    pytestconfig.pluginmanager.getplugin("tests.support.processes.canaries").plant(layout)
    deployment = LocalDeployment(
        layout, Ports(*free_ports(6)), load(folder, folder), EmbeddedRuntime
    )
    try:
        deployment.up(no_progress)
        yield deployment
    finally:
        deployment.started.reset()


@pytest.fixture
def billing(local: LocalDeployment) -> Iterator[None]:
    """Configure the SDK's functions for the service."""
    default_client.configure(local.service("billing").settings())
    yield
    default_client.close()


def from_engine() -> str:
    with database_engine().connect() as connection:
        return str(connection.execute(text(WHO)).scalar())


def from_pool() -> str:
    with database_pool(min_size=1, max_size=1) as pool, pool.connection() as connection:
        return str(connection.execute(WHO).fetchone()[0])


async def from_async_engine() -> str:
    engine = async_database_engine()
    try:
        async with engine.connect() as connection:
            return str((await connection.execute(text(WHO))).scalar())
    finally:
        await engine.dispose()


async def from_async_pool() -> str:
    async with async_database_pool(min_size=1, max_size=1) as pool, pool.connection() as connection:
        return str((await (await connection.execute(WHO)).fetchone())[0])


def from_django() -> str:
    from tests.support.databases.leased_django import leased_database, query_user  # noqa: PLC0415 (Django must be set up first)

    with leased_database():
        return query_user()


@pytest.mark.usefixtures("billing")
@pytest.mark.parametrize(
    "query",
    [
        from_engine,
        from_pool,
        lambda: asyncio.run(from_async_engine()),
        lambda: asyncio.run(from_async_pool()),
        from_django,
    ],
    ids=["engine", "pool", "async engine", "async pool", "django"],
)
def test_declared_database_needs_no_secret(query: Callable[[], str]) -> None:
    assert query().startswith("v-approle-billing-")


@pytest.mark.usefixtures("billing")
def test_declared_redis_needs_no_secret() -> None:
    async def count() -> int:
        client = async_redis_client()
        try:
            return int(await client.incr("visits:b"))
        finally:
            await client.aclose()

    assert redis_client().incr("visits:a") == 1
    assert asyncio.run(count()) == 1


def test_shared_database_has_the_owners_address(local: LocalDeployment) -> None:
    default_client.configure(local.service("reports").settings())
    try:
        with database_engine("readonly").connect() as connection:
            user = str(connection.execute(text(WHO)).scalar())
    finally:
        default_client.close()
    assert user.startswith("v-approle-reports-")


@pytest.mark.usefixtures("billing")
def test_commands_take_the_same_address(local: LocalDeployment) -> None:
    url = read_url(default_client.get_default_client())
    assert url.render_as_string() == (
        f"postgresql+psycopg://127.0.0.1:{local.ports.database}/invoices"
    )


def test_printed_python_works_with_the_written_file(local: LocalDeployment) -> None:
    code = "\n".join(sample_lines(None, has_database=True, has_redis=True))
    shell = f"set -a; . {local.layout.service_env('billing')}; exec {sys.executable} -"
    ran = subprocess.run(
        ["/bin/sh", "-c", shell], input=code, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("v-approle-billing-")


def test_up_shows_the_calls_as_the_application_writes_them(local: LocalDeployment) -> None:
    file = StringIO()
    show_deployment(Console(file=file, width=500), local)
    assert "database_engine().connect()  →  logged in to PostgreSQL: v-approle-" in file.getvalue()
    assert "redis_client()  →  logged in to Redis: V_APPROLE_" in file.getvalue()


def test_check_finds_both_without_a_secret(local: LocalDeployment) -> None:
    command = [sys.executable, "-m", "app_integration", "check", "--database", "--redis"]
    env = local.service("billing").variables()
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ok     database: " in ran.stdout
    assert "ok     Redis: " in ran.stdout


def test_process_without_the_variable_is_told_its_name(local: LocalDeployment) -> None:
    own = local.service("billing").variables()
    lacking = {name: text for name, text in own.items() if name != "STRONGROOM_DATABASE_URL"}
    default_client.configure(from_environment(lacking))
    try:
        with pytest.raises(AccessDenied, match="strongroom writes set STRONGROOM_DATABASE_URL"):
            database_engine()
    finally:
        default_client.close()
