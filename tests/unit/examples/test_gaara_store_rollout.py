"""Script of the store's rollout, with stubs of the programs that it runs."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.polling import wait_until

SCRIPT: Final = Path(__file__).parents[3] / "examples/gaara_store/rollout/rollout.sh"
WATCHED: Final = "strongroom rollout watch"
WATCH: Final = (
    "--service gaara-store --env prod --new green --old blue --prometheus http://p --for 10m "
    "--interval 15s --rules mine.yaml"
)


class Machine:
    """Folder with stubs that note their arguments, and with the file of the colour."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.colour = folder / "colour.conf"
        self.colour.write_text("# blue\nserver 127.0.0.1:8081;\n")
        self.write("curl", "exit 0")
        for name in ("nginx", "systemctl", "strongroom"):
            self.write(name, "exit 0")

    def write(self, name: str, end: str) -> None:
        """Write the stub of a program, which ends with the line *end*."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.folder}/calls\n{end}\n')
        path.chmod(0o700)

    @property
    def calls(self) -> list[str]:
        """Return what was called, without the checks of health."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if not line.startswith("curl")]

    def start(self, colour: str) -> subprocess.Popen[str]:
        """Start the script."""
        return subprocess.Popen(
            [SCRIPT, colour, "--rules", "mine.yaml"],
            env={
                "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
                "ENVIRONMENT": "prod",
                "PROMETHEUS": "http://p",
                "COLOUR_FILE": str(self.colour),
                "READY_SECONDS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, colour: str = "green") -> tuple[int, str]:
        """Run the script, and return its exit code and output."""
        process = self.start(colour)
        printed, _ = process.communicate(timeout=30)
        return process.returncode, printed


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_watch_that_ends_well_stops_the_old_colour(machine: Machine) -> None:
    assert machine.run() == (0, "requests go to green\ngreen serves, and blue is stopped\n")
    assert machine.colour.read_text() == "# green\nserver 127.0.0.1:8082;\n"
    assert machine.calls == [
        "systemctl start strongroom-gaara-store-green-agent gaara-store-green",
        "nginx -s reload",
        f"{WATCHED} {WATCH}",
        "systemctl stop gaara-store-blue strongroom-gaara-store-blue-agent",
    ]


@pytest.mark.parametrize("code", [1, 2, 64])
def test_watch_that_ends_otherwise_sends_requests_back(machine: Machine, code: int) -> None:
    machine.write("strongroom", f"exit {code}")
    assert machine.run() == (code, "requests go to green\nrequests go to blue\n")
    assert machine.colour.read_text() == "# blue\nserver 127.0.0.1:8081;\n"
    assert not any("stop" in call for call in machine.calls)


def test_script_that_is_interrupted_sends_requests_back(machine: Machine) -> None:
    machine.write("strongroom", "exec sleep 60")
    process = machine.start("green")
    try:
        calls = machine.folder / "calls"
        wait_until(lambda: calls.exists() and WATCHED in calls.read_text(), "the watch")
        process.send_signal(signal.SIGTERM)
    finally:
        printed, _ = process.communicate(timeout=30)
    assert (process.returncode, printed) == (1, "requests go to green\nrequests go to blue\n")
    assert machine.colour.read_text() == "# blue\nserver 127.0.0.1:8081;\n"


def test_colour_that_is_not_ready_gets_no_requests(machine: Machine) -> None:
    machine.write("curl", "exit 22")
    code, printed = machine.run()
    assert (code, printed) == (1, "green is not ready after 1 s; requests stay where they are\n")
    assert machine.calls == ["systemctl start strongroom-gaara-store-green-agent gaara-store-green"]


@pytest.mark.parametrize("colour", ["blue", "red"])
def test_colour_that_serves_or_is_unknown_changes_nothing(machine: Machine, colour: str) -> None:
    code, printed = machine.run(colour)
    assert code == 1
    assert f"cannot switch from 'blue' to '{colour}'" in printed
    assert not (machine.folder / "calls").exists()
