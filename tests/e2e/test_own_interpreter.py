"""Services whose config models only the applications' own interpreters can import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from agent.supervisor.unit_state import RunState, UnitState, read_state
from app_integration.config.delivery_status import State, read_status
from app_integration.names import Environment, Scope
from tests.support.models.many_services import declare_services, write_environment
from tests.support.polling import wait_until
from tests.support.processes.application import make_application, make_venv
from tests.support.processes.shell import Shell

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.alone]

MODEL = "billing.config:BillingConfig"
DELIVERED, NO_INTERPRETER, NO_SDK, _, NO_MODEL = (f"part-0{number}" for number in range(5))


@dataclass
class Team:
    """A deployment whose first service is delivered; three others name what does not exist."""

    folder: Path

    def __post_init__(self) -> None:
        self.python = make_application(self.folder / "billing")
        self.src = self.folder / "billing" / "src"
        self.bare = make_venv(self.folder / "bare")
        self.link = self.src / "venv"  # to the virtual environment, once a test makes it
        self.missing = self.link / "bin" / "python"
        self.declaration = self.folder / "declaration"
        names = declare_services(self.declaration, 5)
        for name in names:
            self._simplify(name)
        write_environment(self.declaration, names)
        self.configure(DELIVERED)
        self.configure(NO_INTERPRETER, python="venv/bin/python")
        self.configure(NO_SDK, python=str(self.bare))
        self.configure(NO_MODEL, model="absent.config:BillingConfig")
        variables = {"STRONGROOM_DECLARATION": str(self.declaration)}
        self.shell = Shell(self.folder / ".strongroom", variables)

    def configure(self, service: str, **changes: str) -> None:
        """Declare the application's model and interpreter, except for *changes*."""
        keys = {"model": MODEL, "path": str(self.src), "python": "../.venv/bin/python"}
        document = self._read(service)
        document["config"] |= {**keys, **changes}
        self._write(service, document)

    def live(self, service: str) -> Path:
        return self.shell.layout.config(service)

    def state(self, service: str) -> UnitState:
        """Return the supervisor's state of the unit of *service*."""
        state = read_state(self.shell.layout.agent(Scope(service, Environment.DEV)))
        assert state is not None
        return state

    def _simplify(self, service: str) -> None:
        document = self._read(service)
        for section in ("database", "keys"):
            document.pop(section, None)
        self._write(service, document)

    def _read(self, service: str) -> Any:
        return json.loads((self.declaration / "services" / f"{service}.yaml").read_text())

    def _write(self, service: str, document: Any) -> None:
        (self.declaration / "services" / f"{service}.yaml").write_text(json.dumps(document))


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    team = Team(tmp_path_factory.mktemp("team"))
    yield team
    team.shell("reset", "--yes")


@pytest.fixture(scope="module")
def first_up(team: Team) -> subprocess.CompletedProcess[str]:
    return team.shell("up")


def test_model_is_imported_by_its_own_interpreter(
    team: Team, first_up: subprocess.CompletedProcess[str]
) -> None:
    assert f"config of {DELIVERED} delivered" in first_up.stdout, first_up.stderr
    assert "secret: " in team.live(DELIVERED).read_text()
    validated_by = Path((team.src / "billing" / "validated-by").read_text())
    assert validated_by.parent.samefile(team.python.parent)
    assert find_spec("billing") is None


def test_up_names_what_is_missing_for_each_other_service(
    team: Team, first_up: subprocess.CompletedProcess[str]
) -> None:
    assert first_up.returncode == 1
    lines = dict(line.split(": ", 1) for line in first_up.stderr.splitlines() if "part-0" in line)
    blocked = "the config of {}-dev is not delivered: {}"
    local = (
        "or on this machine alone in strongroom.local.yaml: 'applications: "
        "{{{}: {{path: FOLDER}}}}'"
    )
    no_interpreter = (
        f"{team.missing} cannot be used: No such file or directory; make the virtual environment "
        "and install strongroom-sdk[config] there, or correct config.python in "
        f"services/{NO_INTERPRETER}.yaml, {local.format(NO_INTERPRETER)}"
    )
    no_sdk = (
        f"{team.bare} cannot import app_integration; install strongroom-sdk[config] there, "
        f"or correct config.python in services/{NO_SDK}.yaml, {local.format(NO_SDK)}"
    )
    assert (
        lines[NO_INTERPRETER]
        == f"{blocked.format(NO_INTERPRETER, no_interpreter)}; then run up again"
    )
    assert lines[NO_SDK] == f"{blocked.format(NO_SDK, no_sdk)}; then run up again"
    status = team.shell("status").stdout.splitlines()
    assert f"{NO_INTERPRETER}: {no_interpreter}" in status
    assert f"{NO_SDK}: {no_sdk}" in status
    assert not any(line.startswith(f"{DELIVERED}: ") for line in status)
    assert team.state(NO_INTERPRETER).reason == no_interpreter
    assert team.state(NO_SDK).reason == no_sdk
    assert lines[NO_MODEL].startswith(
        f"the config of {NO_MODEL}-dev cannot be used yet: the model absent.config:BillingConfig "
        f"cannot be imported by {team.python} from {team.src} "
        "(ModuleNotFoundError: absent); "
    )
    assert set(lines) == {NO_INTERPRETER, NO_SDK, NO_MODEL}
    assert "Traceback" not in first_up.stdout + first_up.stderr


def test_wrong_value_is_rejected_by_the_applications_model(
    team: Team, first_up: subprocess.CompletedProcess[str]
) -> None:
    assert DELIVERED in first_up.stdout
    before = team.live(DELIVERED).read_text()
    put = team.shell(
        *("put", "signing-key", "--service", DELIVERED, "--env", "dev"), typed="too short"
    )
    assert put.returncode == 0, put.stderr

    def is_refused() -> bool:
        status = read_status(team.live(DELIVERED))
        return status is not None and status.state is State.REFUSED

    wait_until(is_refused, "the rejection", 30)
    status = read_status(team.live(DELIVERED))
    assert status is not None
    assert str(status.reason).endswith("for BillingConfig: jwt.secret (string_too_short)")
    assert "too short" not in str(status.reason)
    assert team.live(DELIVERED).read_text() == before
    team.shell(*("put", "signing-key", "--service", DELIVERED, "--env", "dev"), typed="x" * 40)
    wait_until(lambda: "x" * 40 in team.live(DELIVERED).read_text(), "the delivery", 30)


def test_up_delivers_to_all_once_their_interpreters_can(
    team: Team, first_up: subprocess.CompletedProcess[str]
) -> None:
    assert first_up.returncode == 1
    others = (NO_INTERPRETER, NO_SDK, NO_MODEL)
    assert not any(team.live(service).exists() for service in others)
    team.link.symlink_to(team.python.parents[1])
    team.configure(NO_SDK)
    team.configure(NO_MODEL)
    up = team.shell("up")
    assert (up.returncode, up.stderr) == (0, ""), up.stdout
    assert all(team.live(service).exists() for service in others)
    team.link.unlink()
    pid = team.state(NO_INTERPRETER).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: team.state(NO_INTERPRETER).state is RunState.BLOCKED, "the check", 30)
    removed = team.shell("up")
    assert removed.returncode == 1
    assert f"{team.missing} cannot be used: No such file or directory" in removed.stderr
    assert team.live(NO_INTERPRETER).exists()
