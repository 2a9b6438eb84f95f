"""Units built for systemd, run by their own command lines: an agent and an application.

The agent runs as another user, with the folder of credentials that systemd would give it. Paths are
moved below a temporary folder, and nothing else is changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from agent.targets.host import Host
from agent.targets.systemd import build
from app_integration.config.delivery_status import read_status
from local.processes import binaries
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.models.target import tracking_settings
from tests.support.polling import wait_until
from tests.support.servers.audited_server import AuditedServer, audited_server

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.requires("root")]

ROOT: Final = Path(__file__).parents[2]
AGENT: Final = "strongroom-tracking-agent.service"
#: Ids of the agent's user, and of the group of both. None of them must exist.
USER: Final = 61_011
GROUP: Final = 61_013
SECRET: Final = "secret/data/tracking/staging/carrier-token"
#: Writes what it has loaded to a file, at the start and at SIGHUP.
APPLICATION: Final = """
import pathlib, signal
from app_integration import load_config
from models import Config
def load(*_):
    pathlib.Path("loaded").write_text(load_config(Config).token)
load()
signal.signal(signal.SIGHUP, load)
while True:
    signal.pause()
"""
MODEL: Final = """
from pydantic import BaseModel, Field

class Config(BaseModel):
    token: str = Field(min_length=8)
"""


class Machine:
    """Folder in place of the file system of a machine on which the built files are installed."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        self.units = {name: text for name, text in files.items() if name.endswith(".service")}
        (folder / "etc/strongroom/tracking/templates").mkdir(parents=True)
        for name, text in files.items():
            if name not in self.units and not name.endswith(".conf"):
                (folder / "etc/strongroom/tracking" / name).write_text(self.move(text))
        self.program = folder / "usr/bin/bao"
        self.program.parent.mkdir(parents=True)
        shutil.copy(binaries.openbao_path(), self.program)

    def move(self, text: str) -> str:
        """Return *text* with the paths of a machine below the folder."""
        for prefix in ("/etc/strongroom", "/run/", "/usr/bin/bao"):
            text = text.replace(prefix, f"{self.folder}{prefix}")
        return text

    def make_folders(self) -> None:
        """Make what systemd makes: the runtime folders, and the folder of credentials."""
        service = read_unit(self.units[AGENT])["Service"]
        runtime = self.folder / "run" / service["RuntimeDirectory"][0]
        credentials = self.folder / "run/credentials" / AGENT
        for path, mode in (
            (runtime, int(service["RuntimeDirectoryMode"][0], 8)),
            (credentials, 0o500),
        ):
            path.mkdir(parents=True)
            os.chown(path, USER, GROUP)
            path.chmod(mode)

    def put_credentials(self, source: Path) -> None:
        """Copy the credentials as ``LoadCredential`` does."""
        for name in ("role-id", "secret-id"):
            path = self.folder / "run/credentials" / AGENT / name
            shutil.copy(source / name, path)
            os.chown(path, USER, GROUP)
            path.chmod(0o400)

    @contextmanager
    def run(self, unit: str, python: str | None = None, **options: Any) -> Iterator[None]:
        """Run ``ExecStart`` of *unit* during the block, and stop it by SIGTERM."""
        (start,) = read_unit(self.units[unit])["Service"]["ExecStart"]
        command = read_words(self.move(start))
        if python is not None:
            command[0] = python
        with (self.folder / f"{unit}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, **options)
        try:
            yield
            assert process.poll() is None, (self.folder / f"{unit}.log").read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AuditedServer]:
    with audited_server(tmp_path, tls=True) as running:
        running.allow("tracking", SECRET)
        yield running


def test_agent_of_another_user_feeds_the_application(server: AuditedServer, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to run the agent as another user")
    server.approle(tmp_path, "tracking-staging", token_policies=["tracking"])
    server.root.post(SECRET, {"data": {"value": "first-token"}})
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o711)
        cacert = folder / "ca.pem"
        shutil.copy(server.cacert or "", cacert)
        cacert.chmod(0o644)
        settings = tracking_settings(
            server.address, reload="SIGHUP", settle="1s", within="10s", render_interval="1s"
        )
        machine = Machine(
            folder,
            build(settings, Host(folder, ("sh", "-c", "exec $0 app.py", sys.executable), cacert)),
        )
        machine.make_folders()
        machine.put_credentials(tmp_path)
        (folder / "app.py").write_text(APPLICATION)
        (folder / "models.py").write_text(MODEL)
        as_agent: dict[str, Any] = {"user": USER, "group": GROUP, "extra_groups": []}
        agent = machine.run(AGENT, env={"HOME": "/none"}, cwd="/", umask=0o027, **as_agent)
        running.enter_context(agent)
        live = folder / "run/tracking/app.yaml"
        unit = "tracking.service"
        lines = read_unit(machine.units[unit])["Service"]["Environment"]
        declared = dict(machine.move(line).partition("=")[::2] for line in lines)
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
            **declared,
            "STRONGROOM_READER_GROUP": str(GROUP),  # by its id, because its name does not exist
        }
        running.enter_context(machine.run(unit, sys.executable, env=variables, cwd=folder))
        loaded = folder / "loaded"
        wait_until(lambda: loaded.exists() and "first-token" in loaded.read_text(), "the first")

        staged = (folder / "run/strongroom-tracking/app.yaml").stat()
        assert (staged.st_mode & 0o7777, staged.st_uid, staged.st_gid) == (0o640, USER, GROUP)
        assert live.stat().st_mode & 0o7777 == 0o600

        server.root.post(SECRET, {"data": {"value": "second-token"}})
        wait_until(lambda: "second-token" in loaded.read_text(), "the rotated secret")
        server.root.post(SECRET, {"data": {"value": "short"}})
        wait_until(lambda: (status := read_status(live)) and status.state == "refused", "refused")
        assert "second-token" in live.read_text()
        log = (folder / f"{AGENT}.log").read_text() + (folder / f"{unit}.log").read_text()
        assert "second-token" not in log
