"""What ``put`` says about processes that have the old value, and about those that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "smtp-password"
FIELD: Final = "Settings.smtp_password"
#: Application that reads its settings at import, or twice, and runs until its input ends.
SETTINGS: Final = """
import sys
from typing import Annotated
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from app_integration.integrations.pydantic_settings import FromStrongroom, StrongroomSource

class Settings(BaseSettings):
    smtp_password: Annotated[SecretStr, FromStrongroom()]

    @classmethod
    def settings_customise_sources(cls, settings_cls, **_):
        return (StrongroomSource(settings_cls),)

for _ in range(int(sys.argv[1])):
    Settings()
print("started", flush=True)
sys.stdin.read()
"""
WAIT: Final = 'import sys; print("started", flush=True); sys.stdin.read()'


@contextmanager
def running(command: list[str], variables: Mapping[str, str]) -> Iterator[int]:
    """Run a process, and yield its id once it has its secrets."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield process.pid
        process.communicate(timeout=60)


@pytest.fixture
def put(deployment: Deployment) -> Iterator[Put]:
    path = f"secret/data/gaara-store/dev/{NAME}"
    before = deployment.operator.get(path)["data"]["data"]["value"]
    yield Put(deployment)
    deployment.write_secret(NAME, before)


class Put:
    """Command ``put`` on the deployment, and processes of the store."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.root = ("--root", str(deployment.layout.root))

    def __call__(self) -> list[str]:
        """Write a new version, and return the lines about restarts."""
        store = ("--service", "gaara-store", "--env", "dev")
        done = subprocess.run(
            [sys.executable, "-m", "console", "put", NAME, *store, *self.root],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            input="a new value",
            capture_output=True,
            text=True,
            check=True,
        )
        version, *lines = done.stdout.splitlines()
        assert version.startswith(f"{NAME}: version ")
        assert "a new value" not in done.stdout + done.stderr
        return lines

    def application(self, readings: int) -> AbstractContextManager[int]:
        command = [sys.executable, "-c", SETTINGS, str(readings)]
        return running(command, self.deployment.variables)

    def program(self, *options: str) -> AbstractContextManager[int]:
        run = ("run", "--service", "gaara-store", "--name", NAME, *options, *self.root)
        command = [sys.executable, "-m", "console", *run, "--", sys.executable, "-c", WAIT]
        return running(command, {})


def test_processes_that_keep_the_value_are_named(put: Put) -> None:
    with put.application(1) as application, put.program() as program:
        lines = put()
        assert f"restart: process {application} has the old value of {NAME} in {FIELD}" in lines
        assert f"restart: process {program} has the old value of {NAME} in SMTP_PASSWORD" in lines
    assert "on_change" in lines[-1]
    assert "run --restart-on-change" in lines[-1]


def test_process_that_needs_no_restart_is_not_named(put: Put) -> None:
    with put.application(1):
        pass
    with put.application(2), put.program("--restart-on-change"):
        lines = put()
    assert not [line for line in lines if "restart: process" in line]
    assert any(line.startswith("restart: a process that read it into settings") for line in lines)


def test_delivered_config_with_the_secret_is_named(put: Put) -> None:
    (line,) = [each for each in put() if "app.yaml" in each]
    assert line.startswith("app.yaml of gaara-store is delivered again: a process that has loaded")
    assert "watch_config" in line
