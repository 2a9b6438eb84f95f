"""Command `up` beside another `up`, after a killed one, and with a rejected config."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.supervisor.unit_state import read_state, state_file
from app_integration.names import Environment, Scope
from tests.support.polling import wait_until
from tests.support.processes.shell import Shell
from vault.declare import load

pytestmark = pytest.mark.requires("embedded")

SCOPE = Scope("gaara-store", Environment.DEV)
STARTED = "config of gaara-store delivered"


class Clone(Shell):
    """A separate deployment, with a copy of the declaration to edit."""

    def __init__(self, folder: Path) -> None:
        self.declaration = folder / "declare"
        variables = {"STRONGROOM_DECLARATION": str(self.declaration), "HOME": str(folder)}
        super().__init__(folder / ".strongroom", variables)
        for name in ("services", "environments"):
            shutil.copytree(load.ROOT / name, self.declaration / name)
        self.live = self.layout.config(SCOPE.service)
        self.agent = self.layout.agent(SCOPE)

    def set_username(self, name: str) -> None:
        """Declare *name* as the mail account of the development environment."""
        path = self.declaration / "environments" / "dev.yaml"
        lines = path.read_text().splitlines()
        kept = [line for line in lines if "smtp-username" not in line]
        place = kept.index("    settings:") + 1
        kept.insert(place, f"      smtp-username: {name}")
        path.write_text("\n".join([*kept, ""]))

    def put(self, secret: str, value: str) -> subprocess.CompletedProcess[str]:
        return self("put", secret, "--service", SCOPE.service, "--env", "dev", typed=value)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    yield clone
    clone("reset", "--yes")


def agent_pid(clone: Clone) -> int:
    state = read_state(clone.agent)
    assert state is not None
    assert state.pid is not None
    return state.pid


def test_two_simultaneous_ups_one_succeeds_and_one_is_busy(clone: Clone) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = sorted(pool.map(clone, ["up", "up"]), key=lambda run: run.returncode)
    assert [run.returncode for run in runs] == [0, 1], [run.stderr for run in runs]
    assert "another command is at work" in runs[1].stderr
    assert "wait until it is done" in runs[1].stderr
    assert clone("status").returncode == 0
    assert "nothing was changed" in clone("up").stdout


@pytest.mark.parametrize("arguments", [("up",), ("down",), ("reset", "--yes")])
def test_command_during_another_command_is_busy(clone: Clone, arguments: tuple[str, ...]) -> None:
    with (clone.layout.run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rejected = clone(*arguments)
    assert rejected.returncode == 1
    assert "another command is at work" in rejected.stderr
    assert clone("status").returncode == 0


def test_up_restarts_an_agent_whose_delivery_is_not_recorded(clone: Clone) -> None:
    before = agent_pid(clone)
    state_file(clone.agent).unlink()
    done = clone("up")
    assert done.returncode == 0, done.stderr
    assert STARTED in done.stdout
    assert agent_pid(clone) != before
    assert STARTED not in clone("up").stdout


def test_up_returns_after_a_changed_setting_is_delivered(clone: Clone) -> None:
    clone.set_username("another-account")
    done = clone("up")
    assert done.returncode == 0, done.stderr
    assert STARTED in done.stdout
    assert 'username: "another-account"' in clone.live.read_text()


def test_up_killed_while_the_agent_starts_is_completed_by_the_next(clone: Clone) -> None:
    clone.set_username("third-account")
    run, before = clone.agent / "run.json", (clone.agent / "run.json").read_bytes()
    with clone.begin("up") as working:
        wait_until(lambda: run.read_bytes() != before, "the agent's files being replaced", 60)
        working.kill()
    done = clone("up")
    assert done.returncode == 0, done.stderr
    assert 'username: "third-account"' in clone.live.read_text()
    assert clone("status").returncode == 0


def test_rejected_config_keeps_the_servers_and_can_be_fixed_on_them(clone: Clone) -> None:
    before = clone.live.read_text()
    assert clone.put("jwt-secret", "too short").returncode == 0
    clone.set_username("fourth-account")
    assert clone("down").returncode == 0
    rejected = clone("up")
    assert rejected.returncode == 1
    assert "was rejected" in rejected.stderr
    assert "jwt.secret" in rejected.stderr
    assert "too short" not in rejected.stderr
    assert clone.live.read_text() == before
    assert clone.put("jwt-secret", "long enough for a signing key: 32").returncode == 0
    fixed = clone("up")
    assert fixed.returncode == 0, fixed.stderr
    assert 'username: "fourth-account"' in clone.live.read_text()
    assert clone("status").returncode == 0
