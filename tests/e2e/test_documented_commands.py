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
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from psycopg.sql import SQL, Identifier

from app_integration.client import Client
from app_integration.encryption.keys.stores.table import TableDataKeys
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
#: Schema of the tables that the page on leaving needs.
LEAVING: Final = "leaving"
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
    (code,) = python_of(ROOT / "README.md")
    checks = (
        "print(jwt_secret, email)\n"
        "with engine.connect() as connection:\n"
        "    print(connection.exec_driver_sql('SELECT session_user').scalar())\n"
    )
    variables = {"PYTHONPATH": str(ROOT), **deployment.variables}
    shown = run_python(f"{code}\n{checks}", tmp_path, variables)
    assert shown.startswith("[REDACTED] ada@example.com\nv-")


@pytest.fixture
def own_schema(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Create a schema in which sessions of this process create tables, and drop it at the end."""
    accounts = deployment.local.service("gaara-store").access.require_database()
    name, owner = Identifier(LEAVING), Identifier(accounts.roles.owner)
    with accounts.superuser.connect(accounts.roles.database) as superuser:
        superuser.execute(SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, owner))
        options = f"-c search_path={LEAVING}"
        monkeypatch.setenv("PGOPTIONS", options)
        yield options
        superuser.execute(SQL("DROP SCHEMA {} CASCADE").format(name))


def test_python_of_the_page_on_leaving_reads_leases_and_decrypts(
    deployment: Deployment, own_schema: str, tmp_path: Path
) -> None:
    values: list[str | int | bytes] = ["Ada Lovelace", -129, b"\x00\xff"]
    context: dict[str, str | int] = {"customer": 7, "use": "e-mail"}
    with closing(deployment.open_client()) as client:
        jwt_secret = client.secrets.get("jwt-secret").reveal().encode()
        tokens = write_tokens(client, values, context)
    assert [type(token) for token in tokens] == [str] * 3 + [bytes] * 3
    checks = f"""
import hashlib
print(hashlib.sha256(jwt_secret.encode()).hexdigest())
print(connection.execute("SELECT session_user").fetchone()[0])
for token in {tokens!r}:
    print(repr(decrypt(token, {context!r}, unwrap, find_row, "users.email")))
client.auth.token.revoke_self()
"""
    code = "\n".join([*python_of(ROOT / "docs" / "howto" / "Leaving.md"), checks])
    assert "app_integration" not in code
    shown = run_python(code, tmp_path, {**deployment.variables, "PGOPTIONS": own_schema})
    digest, user, *decrypted = shown.splitlines()
    assert digest == sha256(jwt_secret).hexdigest()
    assert user.startswith("v-")
    assert decrypted == [repr(value) for value in values] * 2


def write_tokens(
    client: Client, values: list[str | int | bytes], context: dict[str, str | int]
) -> list[str | bytes]:
    """Return tokens of *values* that carry their data key, and then such that refer to a row."""
    keys = TableDataKeys(client.databases.engine(None, None))
    keys.create()
    tokens = list[str | bytes]()
    for store in (None, keys):
        client.use_data_keys(store)
        cipher = client.cipher("pii")
        written = [cipher.encrypt_field(each, context, field="users.email") for each in values]
        tokens += [token for token in written if token is not None]
    return tokens


def python_of(document: Path) -> list[str]:
    """Return the blocks of Python in *document*."""
    text = document.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_python(code: str, folder: Path, variables: dict[str, str]) -> str:
    """Run *code*, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
