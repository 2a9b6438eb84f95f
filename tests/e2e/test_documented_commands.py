"""Commands and code in the documents, run unchanged.

A block that starts with ```` ```sh run ```` runs on the deployment that tests share, and must leave
it unchanged. One that starts with ```` ```sh run alone ```` runs on a separate deployment. Blocks
run in order, each in its own bash. Variables, functions and files are kept for the next block, as
if a reader pasted the blocks into one shell.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from app_integration.testing.ports import free_ports
from local.layout import Layout
from local.ports import Ports, setting
from local.processes.binaries import openbao_path
from tests.support.processes import forked_command
from tests.support.servers.deployment import Deployment
from vault.declare import load
from vault.declare.repository_root import FILE

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/[!a]*/*.md")])
SECONDS: Final = 120.0  # timeout of one block
#: Files that the Makefile's rules depend on, and the folders that strongroom.yaml names.
LINKED: Final = (
    *("Makefile", "requirements", "pyproject.toml", "app_integration"),
    *("vault", "agent", "policies", "examples"),
)


@dataclass(frozen=True)
class Block:
    """Block of commands at *line* of *document*; *alone* is whether it needs its own deployment."""

    document: Path
    line: int
    commands: str
    alone: bool

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def blocks() -> Iterator[Block]:
    pattern = re.compile(r"^```sh run( alone)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for document in DOCS:
        text = document.read_text(encoding="utf-8") if document.exists() else ""
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(document, line, found[2], alone=bool(found[1]))


SHARED: Final = [block for block in blocks() if not block.alone]
ALONE: Final = [block for block in blocks() if block.alone]


@dataclass(frozen=True)
class Workspace:
    """Folder that looks like a clone: ``.venv/bin``, a Makefile, and ``.strongroom``."""

    folder: Path
    variables: dict[str, str]

    def __post_init__(self) -> None:
        # Without -P, because the agents import models from the repository, the workspace.
        self._script(".venv/bin/python", f'exec {sys.executable} "$@"')
        program = shlex.join(forked_command.command(safe_path=True))
        self._script(".venv/bin/strongroom", f'exec {program} "$@"')
        (self.folder / ".venv/bin/bao").symlink_to(openbao_path())
        for name in LINKED:
            (self.folder / name).symlink_to(ROOT / name)
        # A copy, because a link would lead out of the repository.
        shutil.copy(ROOT / FILE, self.folder)

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Run *block*, and save its variables and functions for the next block."""
        state = self.folder / "state.sh"
        state.touch()
        script = f". ./{state.name}\nset -euo pipefail\n{block.commands}\nset +u\n"
        return subprocess.run(
            ["/bin/bash", "-c", f"{script}{{ declare -px; declare -f; }} > {state}"],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "PYTHONPATH": str(ROOT),
                **self.variables,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def _script(self, name: str, command: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        path.chmod(0o700)


@pytest.fixture(scope="module")
def shared(deployment: Deployment) -> Workspace:
    return Workspace(deployment.layout.root.parent, _ports(deployment.ports))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("alone")
    declaration = folder / "declare"
    for name in ("services", "environments"):
        shutil.copytree(load.ROOT / name, declaration / name)
    variables = _ports(Ports(*free_ports(6))) | {"STRONGROOM_DECLARATION": str(declaration)}
    workspace = Workspace(folder, variables)
    yield workspace
    end = Block(Path(__file__), 0, ".venv/bin/strongroom reset --yes", alone=True)
    assert workspace.run(end).returncode == 0
    assert not Layout(folder / ".strongroom").root.exists()


def _ports(ports: Ports) -> dict[str, str]:
    return {setting(name): str(port) for name, port in ports.by_name().items()}


def test_documents_contain_commands() -> None:
    assert SHARED
    assert len(ALONE) >= 15


@pytest.mark.parametrize("block", SHARED, ids=str)
def test_commands_on_the_shared_deployment_succeed(shared: Workspace, block: Block) -> None:
    done = shared.run(block)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("block", ALONE, ids=str)
def test_commands_on_their_own_deployment_succeed(alone: Workspace, block: Block) -> None:
    done = alone.run(block)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_python_in_the_readme_works(deployment: Deployment, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    checks = (
        "print(jwt_secret, email)\n"
        "with engine.connect() as connection:\n"
        "    print(connection.exec_driver_sql('SELECT session_user').scalar())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{checks}"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **deployment.variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[REDACTED] ada@example.com\nv-")
