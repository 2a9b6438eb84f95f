"""Stand-in for ``systemctl``, which starts and stops the command lines of units in a folder.

It does what the units of an agent and an application rely on: folders in ``/run``, credentials, the
variables of the unit and of its drop-ins. All paths are below the folder, which has the names of a
machine's root. Arguments: the folder, ``start`` or ``stop``, and names of units.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.support.models.systemd_unit import read_unit, read_words

ROOT: Final = Path(__file__).parents[3]
UNITS: Final = "etc/systemd/system"
_MOVED: Final = ("/etc/strongroom", "/run/", "/usr/bin/bao")
_PATIENCE: Final = 20.0  # seconds


class Unit:
    def __init__(self, machine: Path, name: str) -> None:
        self.name = name.removesuffix(".service")
        self._machine = machine
        drop_ins = machine / UNITS / f"{self.name.rpartition('-')[0]}-.service.d"
        files = [machine / UNITS / f"{self.name}.service", *sorted(drop_ins.glob("*.conf"))]
        text = "\n".join(path.read_text() for path in files)
        self._service = read_unit(self._expand(text))["Service"]
        self._pid_file = machine / "run" / f"{self.name}.pid"

    @property
    def credentials(self) -> Path:
        return self._machine / "run/credentials" / f"{self.name}.service"

    def start(self) -> None:
        """Start the command, and note its process id. Do nothing if it runs."""
        if self._pid_file.exists():
            return
        self._make_folders()
        lines = self._service.get("Environment", ())
        variables = dict(read_words(line)[0].partition("=")[::2] for line in lines)
        # By its id, because the group does not exist.
        variables |= {"STRONGROOM_READER_GROUP": str(os.getgid())} if variables else {}
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        (command,) = self._service["ExecStart"]
        with (self._machine / f"{self.name}.log").open("ab") as log:
            process = subprocess.Popen(
                read_words(command),
                cwd=self._service.get("WorkingDirectory", ["/"])[0],
                env={**inherited, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=0o027,
                start_new_session=True,
            )
        self._pid_file.write_text(str(process.pid))

    def stop(self) -> None:
        """Send SIGTERM, and wait until the process has ended. Do nothing without a process."""
        if not self._pid_file.exists():
            return
        pid, deadline = int(self._pid_file.read_text()), time.monotonic() + _PATIENCE
        try:
            os.kill(pid, signal.SIGTERM)
            while time.monotonic() < deadline and not _is_zombie(pid):
                os.kill(pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            pass
        self._pid_file.unlink()

    def _expand(self, text: str) -> str:
        for prefix in _MOVED:
            text = text.replace(prefix, f"{self._machine}{prefix}")
        return text.replace("%N", self.name).replace("%d", str(self.credentials))

    def _make_folders(self) -> None:
        for folder in self._service.get("RuntimeDirectory", ()):
            path = self._machine / "run" / folder
            path.mkdir(exist_ok=True)
            path.chmod(int(self._service["RuntimeDirectoryMode"][0], 8))
        self.credentials.mkdir(parents=True, exist_ok=True)
        for each in self._service.get("LoadCredential", ()):
            name, _, source = each.partition(":")
            shutil.copy(source, self.credentials / name)
            (self.credentials / name).chmod(0o600)


def _is_zombie(pid: int) -> bool:
    """Return whether a process has ended that its parent has not waited for."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"


def main(machine: str, action: str, *names: str) -> None:
    for name in names:
        unit = Unit(Path(machine), name)
        unit.start() if action == "start" else unit.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
