"""`rotate --due` as a timer runs it, on a deployment that is three months old."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

import pytest
import yaml

from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from console.target import environment_rotations
from console.target.target import open_target
from local.deployment import LocalDeployment
from local.ports import Ports, setting
from local.runtime_interface import no_progress
from tests.support.polling import wait_until
from tests.support.processes.command import CommandLine, run_command

pytestmark = pytest.mark.requires("embedded")

#: Later than 90 days, after which the store's JWT secret must be replaced.
AGE = timedelta(days=91)
JWT = "secret/metadata/gaara-store/dev/jwt-secret"


class Ahead(datetime):
    """Time of an operator's machine whose clock is ahead by :data:`AGE`."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Ahead:
        return super().now(tz) + AGE


#: Longer than the store's JWT secret is announced.
ANNOUNCED = timedelta(minutes=71)


def read_later_clock(_: Session, age: timedelta = AGE) -> Callable[[], datetime]:
    """Return the clock of a server on which the deployment is *age* old."""
    return lambda: datetime.now(UTC) + age


@dataclass
class Deployed:
    """Deployment of its own, whose servers have today's time."""

    local: LocalDeployment
    command: CommandLine

    def rotate(self, *arguments: str) -> list[str]:
        """Run the command, which must end well, and return its lines."""
        root = ("--root", str(self.local.layout.root))
        code = run_command(self.command.monkeypatch, "rotate", *arguments, "--env", "dev", *root)
        shown = self.command.capsys.readouterr()
        assert (code, shown.err) == (0, "")
        return shown.out.splitlines()

    def version(self) -> int:
        with self.local.operator() as operator:
            current: int = operator.get(JWT)["data"]["current_version"]
        return current

    def delivered(self) -> str:
        file = self.local.layout.config("gaara-store")
        value: str = yaml.safe_load(file.read_text())["jwt"]["secret"]
        return value


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    ports = Ports(*free_ports(6))
    with pytest.MonkeyPatch.context() as patch:
        for name, port in ports.by_name().items():
            patch.setenv(setting(name), str(port))
        local = open_target(root=tmp_path_factory.mktemp("due") / ".strongroom").local_deployment()
        local.up(no_progress)
        yield local
        local.started.reset()


@pytest.fixture
def deployed(local: LocalDeployment, command_line: CommandLine) -> Deployed:
    return Deployed(local, command_line)


@pytest.fixture
def aged(deployed: Deployed) -> Deployed:
    deployed.command.monkeypatch.setattr(
        environment_rotations, "read_server_clock", read_later_clock
    )
    return deployed


def test_nothing_is_due_on_the_first_day(deployed: Deployed) -> None:
    (line,) = deployed.rotate("--due")
    assert line.startswith("nothing is due; ")


def test_clock_of_the_operators_machine_makes_nothing_due(deployed: Deployed) -> None:
    deployed.command.monkeypatch.setattr(environment_rotations, "datetime", Ahead)
    (line,) = deployed.rotate("--due", "--dry-run")
    assert line.startswith("nothing is due; ")


def test_dry_run_shows_what_is_due_and_changes_nothing(aged: Deployed) -> None:
    lines = aged.rotate("--due", "--dry-run")
    steps = "create, set, test, promote, consumers, retire"
    assert f"gaara-store secret jwt-secret replaces 1; steps: {steps}" in lines
    (given,) = [line for line in lines if "put smtp-password --service gaara-store" in line]
    assert given.startswith("smtp-password is due: smtp-password is given, and only its owner can")
    assert aged.version() == 1


def test_what_is_due_is_replaced_once_and_the_agent_delivers_it(aged: Deployed) -> None:
    before = aged.delivered()
    lines = aged.rotate("--due", "--service", "gaara-store")
    (waits,) = [
        line for line in lines if line.startswith("jwt-secret: its next value is announced")
    ]
    assert "does not sign before 20" in waits
    assert "pii: rotated." in lines
    assert "gaara-store-dev-starter: rotated." in lines
    assert (aged.version(), aged.delivered()) == (2, before)
    later = partial(read_later_clock, age=AGE + ANNOUNCED)
    aged.command.monkeypatch.setattr(environment_rotations, "read_server_clock", later)
    lines = aged.rotate("--due", "--service", "gaara-store")
    assert "✓ jwt-secret: promoted it (2 -> 3)" in lines
    assert len([line for line in lines if line.startswith("restart: a process that read")]) == 1
    wait_until(lambda: aged.delivered() != before, "the agent delivers the new value")
    continued = aged.rotate("--due", "--service", "gaara-store")
    assert "jwt-secret: waits. Run the command again to continue, or go back with --undo." in (
        continued
    )
    (status,) = [line for line in aged.rotate("--status") if " jwt-secret " in line]
    assert status.split()[3:5] == ["under", "way:"]
    assert aged.version() == 3
