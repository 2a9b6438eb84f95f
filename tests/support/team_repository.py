"""Repository of a team whose service is not the example, as its developers have it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, Self

import pytest

from app_integration.testing.ports import free_ports
from local.ports import Ports, setting
from tests.support.processes import forked_command
from tests.support.processes.application import ROOT, make_venv

#: How a transcript spells the temporary folder, which is as long so that tables keep their form.
FOLDER: Final = "/home/ada/projects"
#: How a transcript spells the ports, which all have five digits.
PORTS: Final = Ports(18200, 18201, 15432, 16379, 11025, 18080, 15000)
#: Services, as arguments of ``strongroom new service``.
PARCELS: Final = (
    "parcels --owner ada --description Ships --key pii --given carrier-token --given mail-password"
    " --generate session-key --generate webhook-key"
    " --database --database-at prod=db.example.com:5432"
)
LABELS: Final = "labels --owner bo --description Prints --generate api-key --config ../labels"
MIGRATION: Final = """\
migration: letters
service: parcels
table: letters
columns:
  address: {field: letters.address}
quiet_for: 1s
backups_kept_for: 35d
"""
#: Runs a statement as the service does, for transcripts that need a table.
SQL: Final = """\
import sys
from app_integration import database_engine
with database_engine().begin() as connection:
    connection.exec_driver_sql(sys.argv[1])
"""
#: Values of parcels before it had a server.
ENV: Final = """\
CARRIER_TOKEN=tok-9f8e7d6c5b4a3f
MAIL_PASSWORD=mail-1a2b3c4d5e6f
DATABASE_URL=postgres://ada:pw@db.example.com:5432/parcels
"""


class TeamRepository:
    """Repository ``parcels``, which declares a service of that name in dev and prod."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="team-", dir="/tmp"))
        self.repository = self.folder / "parcels"
        self._home = self.folder / "home"
        self._ports = Ports(*free_ports(6)).by_name()
        strongroom = shlex.join(forked_command.command(safe_path=True))
        self._write_program("strongroom", f'#!/bin/sh\nexec {strongroom} "$@"\n')
        self._write_program("sql", f"#!{sys.executable}\n{SQL}")
        self.run("init parcels --owner ada --environment prod=https://vault.example.com:8200")
        self.run(f"new service {PARCELS}")
        self.run(f"new service {LABELS}")
        (self.repository / "migrations").mkdir()
        (self.repository / "migrations" / "letters.yaml").write_text(MIGRATION)
        self._git("init", "--quiet", "--initial-branch", "main")
        self._git("add", ".")
        self._git("commit", "--quiet", "--message", "Declare parcels")
        self._home.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run("reset --yes")
        shutil.rmtree(self.folder)

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of a developer's shell."""
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self._home),
            "TZ": "UTC",
            "TERM": "dumb",
            **{setting(name): str(port) for name, port in self._ports.items()},
        }

    @property
    def spellings(self) -> dict[str, str]:
        """Return what transcripts spell in the same way in each run."""
        ports = PORTS.by_name()
        return {
            str(self.folder): FOLDER,
            **{str(port): str(ports[name]) for name, port in self._ports.items()},
        }

    def start(self) -> None:
        """Start the local deployment with the values of a ``.env`` file."""
        application = self.folder / "app"
        application.mkdir()
        (application / ".env").write_text(ENV)
        make_venv(self.folder / "labels" / ".venv", Path(pytest.__file__).parents[1], ROOT)
        self.run("up")
        self.run("import-env ../app/.env --service parcels")
        table = "CREATE TABLE letters (id int PRIMARY KEY, address text)"
        line = f". .strongroom/env/parcels.env; set +a; sql '{table}'"
        command = ["/bin/sh", "-aec", line]
        subprocess.run(command, cwd=self.repository, env=self.variables, check=True)

    def restore(self) -> None:
        """Undo what a transcript did to files. Servers keep running."""
        self._git("checkout", "--quiet", "--", ".")
        self._git("clean", "-fdqx", "--exclude", "/.strongroom", "--exclude", "/*.local.yaml")
        shutil.rmtree(self._home)
        self._home.mkdir()

    def run(self, line: str) -> None:
        """Run a command that must succeed."""
        done = subprocess.run(
            ["strongroom", *shlex.split(line)],  # noqa: S607 (it is in the folder of programs)
            cwd=self.repository if self.repository.exists() else self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _git(self, *arguments: str) -> None:
        command = ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.com", *arguments]
        subprocess.run(command, cwd=self.repository, env=self.variables, check=True)

    def _write_program(self, name: str, text: str) -> None:
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o700)
