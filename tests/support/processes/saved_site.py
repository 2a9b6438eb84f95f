"""Site of an earlier commit: a local deployment with everything that its commands and SDK store.

``python -m tests.support.processes.saved_site COMMIT`` makes ``tests/compat/<commit>/site.tar.xz``.
An archive that was committed never changes. PostgreSQL's data (46 MB, 2.2 MB compressed) is left
out: a backup has what was in it. All values are invented.

The server stores the paths of its audit logs, so that a site is unpacked where it was made, in
:data:`BASE`. The earlier commands run there too, from ``git archive`` and with the packages of this
environment, so that no other path of the machine is stored.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app_integration.testing.ports import free_ports
from local.layout import Layout
from local.ports import Ports, setting

ROOT: Final = Path(__file__).parents[3]
COMPAT: Final = ROOT / "tests" / "compat"
BASE: Final = Path("/tmp/strongroom-compat")  # noqa: S108 (the same for everybody, private, and locked)
#: The repository, which contains all that is stored.
SITE: Final = BASE / "parcels"
VENV: Final = BASE / "venv"
HOST: Final = "machine-of-the-site"
ENV: Final = ("--service", "tracking", "--env", "dev")
BUILD: Final = (
    *("agent", "build", "--service", "tracking", "--env", "prod", "--for", "systemd"),
    *("--folder", "/srv/tracking", "--out", "stored/agent", "--", "/srv/tracking/run"),
)
VALUE: Final = "ada@example.com"
TOKEN: Final = "carrier-token-of-the-site"
#: What the application writes, and what it reads again, with the SDK of either version.
APPLICATION: Final = f"""
import json, logging, pathlib, sys
import app_integration as sdk
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from sqlalchemy import create_engine

CONTEXT, VALUE = {{"user_id": 7}}, {VALUE!r}
stored = pathlib.Path("stored")
engine = create_engine(f"sqlite:///{{stored}}/tables.sqlite")
data_keys, index_keys = TableDataKeys(engine), TableIndexKeys(engine)
file_keys = FileDataKeys(stored / "data_keys.json")
sdk.use_index_keys(index_keys)

def declare():
    return sdk.declare_index("users.email", rows=1_000_000, normalise="email")
"""
WRITE: Final = f"""{APPLICATION}
found = {{"text": sdk.encrypt_field(VALUE, context=CONTEXT)}}
data_keys.create()
index_keys.create()
for name, store in (("table", data_keys), ("file", file_keys)):
    sdk.use_data_keys(store)
    found[name] = sdk.encrypt_field(VALUE, context=CONTEXT).hex()
declare().create()
found["index"] = sdk.blind_index("users.email", VALUE).hex()
(stored / "tokens.json").write_text(json.dumps(found))
(stored / "report.csv").write_text("name;total\\n")
sdk.encrypt_file(stored / "report.csv", stored / "report.csv.encrypted", context={{"of": "report"}})
(stored / "report.csv").unlink()
(stored / "logs").mkdir(mode=0o700)
handler = sdk.encrypted_log_handler(stored / "logs", log="app")
handler.handle(logging.makeLogRecord({{"msg": "a record of the site"}}))
handler.close()
sdk.get_secret("carrier-token")
sdk.close()
"""
#: What the database has when it is backed up.
FILL: Final = """
import app_integration as sdk
with sdk.database_engine().begin() as connection:
    connection.exec_driver_sql("CREATE TABLE parcels AS SELECT generate_series(1, 3) AS id")
sdk.close()
"""


class Commands:
    """Commands of one version of the tool, and an application with its SDK, on the site."""

    def __init__(self, program: list[str], interpreter: Path) -> None:
        self._program, self._interpreter = program, interpreter
        ports = Ports(*free_ports(6)).by_name()
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._variables = {**kept, **{setting(name): str(port) for name, port in ports.items()}}

    def __call__(
        self, *arguments: str, typed: str = "", folder: Path = SITE
    ) -> subprocess.CompletedProcess[str]:
        return self._run([*self._program, *arguments], self._variables, folder, typed)

    def application(self, code: str, service: str = "tracking") -> str:
        lines = Layout(SITE / ".strongroom").service_env(service).read_text().splitlines()[1:]
        pairs = [line.split("=", 1) for line in lines]
        variables = {name: shlex.split(text)[0] for name, text in pairs}
        done = self._run([str(self._interpreter), "-c", code], variables, SITE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @staticmethod
    def _run(
        command: list[str], variables: Mapping[str, str], folder: Path, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=folder,
            env=dict(variables),
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def locked_base(project: Path) -> Iterator[None]:
    """Lock and empty :data:`BASE`, make an interpreter that imports *project*, and erase it all."""
    with Path(f"{BASE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(BASE, ignore_errors=True)
        BASE.mkdir(mode=0o700)
        _make_venv(project)
        yield
        shutil.rmtree(BASE)


def unpack(commit: str) -> None:
    """Unpack the site of *commit* where it was made, with the interpreter of its application."""
    with tarfile.open(COMPAT / commit / "site.tar.xz") as files:
        files.extractall(BASE, filter="data")
    (SITE / "application" / ".venv").symlink_to(VENV)


def _make_venv(project: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], check=True)
    (BASE / "packages").symlink_to(sysconfig.get_path("purelib"))
    base = {"base": str(VENV), "platbase": str(VENV)}
    paths = Path(sysconfig.get_path("purelib", vars=base)) / "site.pth"
    host = f"import socket; socket.gethostname = lambda: {HOST!r}"
    paths.write_text(f"{project}\n{BASE / 'packages'}\n{host}\n")


def make(commit: str) -> Path:
    """Make a site with the code of *commit*, and return its archive."""
    tool = BASE / "tool"
    with locked_base(tool):
        command = ["git", "archive", commit]
        archive = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(tool, filter="data")
        interpreter = VENV / "bin" / "python"
        run = Commands([str(interpreter), "-m", "console"], interpreter)
        _declare(run)
        try:
            _fill(run)
        finally:
            _require(run("down"))
        _clean()
        target = COMPAT / commit / "site.tar.xz"
        target.parent.mkdir(exist_ok=True)
        with tarfile.open(target, "w:xz", preset=9) as files:
            files.add(SITE, SITE.name, filter=_anonymous)
    return target


def _require(done: subprocess.CompletedProcess[str], *codes: int) -> str:
    assert done.returncode in (0, *codes), f"{done.args}: {done.stdout}{done.stderr}"
    return done.stdout


def _declare(run: Commands) -> None:
    owner = ("--owner", "team@example.com")
    prod = ("--environment", "prod=https://vault.example.com:8200")
    _require(run("init", SITE.name, *owner, *prod, folder=BASE))
    (SITE / "application").mkdir()
    (SITE / "application" / ".venv").symlink_to(VENV)
    described = ("--description", "Tells where a parcel is.", *owner)
    names = ("--generate", "session-key", "--generate", "signing-key", "--given", "carrier-token")
    keys = ("--key", "pii", "--key", "index", "--key", "audit")
    _require(
        run("new", "service", "tracking", *described, *names, *keys, "--config", "application")
    )
    _replace("tracking", "signing-key: {", "signing-key: {retire_after: 20s, ")
    at = ("--database", "--database-at", "prod=db.example.com:5432")
    _require(run("new", "service", "depot", *described, "--key", "pii", *at))


def _replace(service: str, old: str, new: str) -> None:
    file = SITE / "services" / f"{service}.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def _fill(run: Commands) -> None:
    _require(run("up", "depot"))
    _require(run("put", "carrier-token", *ENV, typed=TOKEN))
    _require(run("up"))
    (SITE / "stored").mkdir(mode=0o700)
    run.application(WRITE)
    run.application(FILL, service="depot")
    _back_up(run)
    _require(run(*BUILD))
    _replace("tracking", "secrets:", "secrets:\n  label-key: {source: generated, length: 32}")
    _require(run("plan", "--env", "dev", "--out", "stored/plan.json"), 2)
    _require(run("apply", "stored/plan.json"))
    _require(run("rotate", "signing-key", *ENV))
    _require(run("audit", "ingest", "--env", "dev", "--store", "stored/audit-store"))
    _archive(run)


def _back_up(run: Commands) -> None:
    (SITE / "stored" / "backups").mkdir(mode=0o700)
    depot = ("--service", "depot", "--env", "dev")
    _require(run("backup-database", *depot, "--folder", "stored/backups"))
    # Without its database from here on, whose server is not saved.
    service = SITE / "services" / "depot.yaml"
    text = service.read_text().partition("\ndatabase:")[0]
    service.write_text(text.replace("secrets:\n  database-url: {source: given}\n", ""))
    for file in (SITE / "environments").glob("*.yaml"):
        file.write_text(re.sub(r"depot: \{.*\}", "depot: {}", file.read_text()))
    (SITE / "policies" / "depot.tests.yaml").unlink()
    _require(run("apply", "--env", "dev", "--prune"))


def _archive(run: Commands) -> None:
    folder = SITE / "stored" / "audit-archive"
    folder.mkdir(mode=0o700)
    deadline = time.monotonic() + 300
    while (done := run("audit", "archive", *ENV, "--folder", str(folder))).returncode != 0:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(10)


def _clean() -> None:
    layout = Layout(SITE / ".strongroom")
    database = layout.postgres.resolve()
    layout.postgres.unlink(missing_ok=True)
    shutil.rmtree(database if database.parent == layout.root else database.parent)
    (SITE / "application" / ".venv").unlink()
    for log in layout.logs.glob("*.log"):
        log.unlink()
    foreign = f'"{socket.gethostname()}"'.encode(), str(ROOT).encode()
    for file in SITE.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(name in content for name in foreign), file


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if member.name.endswith("__pycache__"):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    sys.stdout.write(f"{make(sys.argv[1])}\n")
