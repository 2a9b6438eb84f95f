"""Engines, pools and clients that are made at import, and outlive lifespans and test sessions.

Each scenario is a process of its own, whose leases and Vault tokens must be gone at its end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.databases.database import Database, eventually
from tests.support.processes.python_child import run_python
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

LOGIN: Final = "auth/approle/login"
ROOT: Final = Path(__file__).parents[2]

#: What an application has at import, and uses in each of its lives.
AT_IMPORT: Final = """
import asyncio, json, logging, os, signal, sys
from sqlalchemy import text
import app_integration
from app_integration import default_client, database_engine, database_pool, hvac_client

logging.basicConfig(level=logging.INFO)
engine, pool, hvac = database_engine(), database_pool(min_size=1), hvac_client()
changes = []
app_integration.on_change("jwt-secret", changes.append)

def use():
    with engine.connect() as connection:
        user = connection.execute(text("SELECT session_user")).scalar()
    with pool.connection() as connection:
        assert connection.execute("SELECT session_user").fetchone()[0] == user
    assert hvac.is_authenticated()
    assert app_integration.get_secret("jwt-secret")
    assert default_client.get_default_client().secrets.fetcher.watchers.names == {"jwt-secret"}
    return user
"""

TWO_LIFESPANS: Final = """
from fastapi import FastAPI
from pydantic import BaseModel
from app_integration.integrations import fastapi

class Config(BaseModel):
    name: str

app = FastAPI()
fastapi.init(app, Config, sys.argv[1])

async def live():
    async with app.router.lifespan_context(app):
        return await asyncio.to_thread(use)

users = [asyncio.run(live()) for _ in range(3)]
users.append(use())  # after the last lifespan, so that the process has to revoke it
print(json.dumps(users))
"""

CLOSED_BY_HAND: Final = """
users = [use()]
app_integration.close()
users.append(use())
print(json.dumps(users))
"""

FLASK: Final = """
from flask import Flask
from pydantic import BaseModel
from app_integration.integrations import flask

class Config(BaseModel):
    name: str

app = Flask("shop")

@app.get("/metrics-of-ours", endpoint="metrics")
def metrics():
    return {}

flask.init(app, Config, sys.argv[1])
app.get("/user")(lambda: {"user": use()})
users = []
for _ in range(2):
    users.append(app.test_client().get("/user").json["user"])
    assert app.test_client().get("/metrics").status_code == 200
    app_integration.close()
users.append(app.test_client().get("/user").json["user"])
print(json.dumps(users))
"""

DJANGO: Final = """
import django
from django.conf import settings
from django.db import close_old_connections, connection

engine_name = "app_integration.integrations.django.postgresql"
options = {"OPTIONS": {"pool": {"min_size": 1}}} if sys.argv[2] == "pool" else {"CONN_MAX_AGE": 60}
settings.configure(DATABASES={"default": {"ENGINE": engine_name, **options}})
django.setup()

def query():
    close_old_connections()
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        user = cursor.fetchone()[0]
    close_old_connections()
    return user

users = []
for _ in range(2):
    users.append(query())
    assert use() == users[-1]
    app_integration.close()
users.append(query())
print(json.dumps(users))
"""

#: As a child of a worker, which ends without the exit hooks of Python.
CELERY: Final = """
from celery import Celery, signals
from app_integration.integrations.celery import use_leased_redis

app = Celery("visits", set_as_current=False, broker="memory://", backend="cache+memory://")
use_leased_redis(app, url="redis://127.0.0.1:1/0", results=False)
users = []
for _ in range(2):
    users.append(use())
    signals.worker_process_shutdown.send(None, pid=os.getpid(), exitcode=0)
print(json.dumps(users), flush=True)
os._exit(0)
"""

FORKED: Final = """
users = [use()]
pool.close()
app_integration.close()
reader, writer = os.pipe()
if (child := os.fork()) == 0:
    with engine.connect() as connection:
        user = connection.execute(text("SELECT session_user")).scalar()
    os.write(writer, user.encode())
    app_integration.close()
    os._exit(0)
os.waitpid(child, 0)
users.append(os.read(reader, 100).decode())
with engine.connect() as connection:
    users.append(connection.execute(text("SELECT session_user")).scalar())
print(json.dumps(users))
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text("name: shop\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def revoked(deployment: Deployment, database: Database) -> Iterator[None]:
    """Check that the test leaves neither leased users nor valid Vault tokens."""
    users, tokens = database.leased_users(), _accessors(deployment)
    yield
    assert eventually(lambda: database.leased_users() <= users), database.leased_users() - users
    assert _accessors(deployment) <= tokens


def _accessors(deployment: Deployment) -> set[str]:
    return set(deployment.operator.list("auth/token/accessors"))


@pytest.mark.usefixtures("revoked")
@pytest.mark.parametrize(
    ("program", "lives"),
    [
        (TWO_LIFESPANS, [1, 1, 1, 1]),
        (CLOSED_BY_HAND, [1, 1]),
        (FLASK, [1, 1, 1]),
        (CELERY, [1, 1]),
        (FORKED, [1, 1, 1]),
    ],
    ids=["fastapi", "by hand", "flask", "celery", "forked"],
)
def test_what_was_made_at_import_is_used_after_a_close_as_another_user(
    deployment: Deployment, config: str, program: str, lives: list[int]
) -> None:
    users = run_python(deployment, "-c", AT_IMPORT + program, config)
    assert len(users) == len(set(users)) == len(lives)


@pytest.mark.usefixtures("revoked")
@pytest.mark.parametrize("kind", ["persistent", "pool"])
def test_django_connects_again_after_a_close(
    deployment: Deployment, config: str, kind: str
) -> None:
    users = run_python(deployment, "-c", AT_IMPORT + DJANGO, config, kind)
    assert len(users) == len(set(users)) == 3


#: The project of an application with the tests of full-stack-fastapi-template: a session of the
#: test run keeps a connection while the lifespans of modules come and go.
PROJECT: Final = {
    "conftest.py": """
        import asyncio
        import pytest
        from anyio.from_thread import start_blocking_portal
        from sqlalchemy import text
        from sqlalchemy.orm import Session
        from shop import app, engine, user

        @pytest.fixture(scope="session", autouse=True)
        def db():
            with Session(engine) as session:
                session.execute(text("SELECT 1"))
                yield session
                session.execute(text("SELECT 1"))

        @pytest.fixture
        def client():
            # As FastAPI's TestClient does, which needs httpx.
            with start_blocking_portal() as portal:
                with portal.wrap_async_context_manager(app.router.lifespan_context(app)):
                    yield lambda: portal.call(asyncio.to_thread, user)
        """,
    "shop.py": """
        import logging
        from fastapi import FastAPI
        from pydantic import BaseModel
        from sqlalchemy import text
        from app_integration import database_engine
        from app_integration.integrations.fastapi import init

        logging.basicConfig(level=logging.INFO)
        engine = database_engine()

        class Config(BaseModel):
            name: str

        app = FastAPI(generate_unique_id_function=lambda route: f"{route.tags[0]}-{route.name}")
        init(app, Config, "config.yaml")

        @app.get("/user", tags=["users"])
        def user() -> str:
            with engine.connect() as connection:
                return connection.execute(text("SELECT session_user")).scalar()
        """,
    "test_shop.py": """
        import pytest
        from sqlalchemy import text

        @pytest.mark.parametrize("number", range(3))
        def test_user(client, db, number):
            assert client() == db.scalar(text("SELECT session_user"))
        """,
    "test_memory.py": """
        from sqlalchemy import text
        from app_integration import get_secret

        def test_secret(vault, db):
            vault.put("jwt-secret", "another")
            assert get_secret("jwt-secret") == "another"
            assert db.scalar(text("SELECT 1")) == 1
        """,
}


@pytest.mark.usefixtures("revoked")
@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["one process", "worker"])
def test_session_of_a_test_run_keeps_its_connection(
    deployment: Deployment, config: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    for name, lines in PROJECT.items():
        (tmp_path / name).write_text("\n".join(line[8:] for line in lines.splitlines()))
    assert Path(config).parent == tmp_path
    done = _run_pytest(deployment, tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "closed file" not in done.stderr
    assert not done.stderr


def _run_pytest(
    deployment: Deployment, folder: Path, *options: str
) -> subprocess.CompletedProcess[Any]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "."],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **deployment.variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
