"""What the SDK logs at INFO, beside what SQLAlchemy logs: nothing while all is well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

PROGRAM: Final = """
import asyncio, logging, sys
from sqlalchemy import text

logging.basicConfig(level=logging.INFO)
if len(sys.argv) > 1:
    logging.getLogger("sqlalchemy.pool").setLevel(logging.INFO)

import app_integration
from app_integration import async_database_engine, database_engine, default_client

def query(engine):
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))

async def aquery():
    engine = async_database_engine()
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    await engine.dispose()

engine = database_engine()
for _ in range(2):
    query(engine)
    default_client.get_default_client().databases.find_provider().rotate()
    query(engine)
    asyncio.run(aquery())
    app_integration.get_secret("jwt-secret")
    app_integration.close()
query(engine)
"""


def run(deployment: Deployment, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=Path(__file__).parents[2],
        env={
            "PATH": os.environ["PATH"],
            **deployment.variables,
            "STRONGROOM_AUDIT_FILE": os.devnull,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stderr


def test_nothing_is_logged_at_info(deployment: Deployment) -> None:
    assert run(deployment) == ""


def test_pool_logs_as_those_of_sqlalchemy_if_the_application_wants_it(
    deployment: Deployment,
) -> None:
    lines = run(deployment, "pool").splitlines()
    assert lines
    assert all(line.startswith("INFO:sqlalchemy.pool.impl.") for line in lines), lines
