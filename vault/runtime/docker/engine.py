"""The container engine: whether there is one, and what it tells of a container."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

import docker
from docker.errors import DockerException

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from vault.runtime.files import private_folder

LONGEST: Final = 64 * 2**20  # bytes of one file that is copied out
TAIL_LINES: Final = 20  # of what was logged, in an error
INSTEAD: Final = "or do without containers: make vault-up RUNTIME=embedded"


class NoEngine(ConfigurationError):
    """No container engine answers, or it lacks what it needs."""


def require_engine() -> None:
    """Make sure that there is all that it takes to start containers.

    Raises:
        NoEngine: no engine answers, or the command ``docker compose`` isn't there.

    """
    # Asked by the command: the library leaves its socket open when nobody answers.
    if shutil.which("docker") is None:
        raise NoEngine(f"the command docker isn't there; install it, with compose, {INSTEAD}")
    if not _succeeds("docker", "version"):
        raise NoEngine(_no_engine())
    if not _succeeds("docker", "compose", "version"):
        raise NoEngine(f"docker has no command compose; install that plug-in, {INSTEAD}")


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def open_engine() -> Iterator[Any]:
    """The engine's client, closed afterwards.

    Raises:
        NoEngine: none can be reached.

    """
    try:
        engine = docker.from_env()
    except DockerException:
        raise NoEngine(_no_engine()) from None
    with closing(engine):
        yield engine


def _no_engine() -> str:
    where = os.environ.get("DOCKER_HOST", "the default socket")
    return f"no container engine answers at {where}; start one, {INSTEAD}"


def is_healthy(state: Mapping[str, Any]) -> bool:
    """Whether the container in *state* runs, and its health check doesn't say otherwise."""
    return bool(state["Running"]) and state.get("Health", {}).get("Status") != "unhealthy"


def failure_reason(container: Any) -> str:
    """What is wrong with *container*; empty when nothing is, or when it did what it was for."""
    state = container.attrs["State"]
    if not state["Running"] and state["ExitCode"]:
        return f"exit code {state['ExitCode']}"
    return "" if not state["Running"] or is_healthy(state) else "it isn't well"


def log_tail(container: Any) -> str:
    """The last lines that *container* printed."""
    text: str = container.logs(tail=TAIL_LINES).decode(errors="replace").strip()
    return text


def unpack(archive: bytes, folder: Path) -> None:
    """Put the archive's folders and plain files below *folder*, private; nothing else is taken."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or member.size > LONGEST:
                continue
            if member.isdir():
                private_folder(folder / name)
            elif member.isfile() and (content := tar.extractfile(member)):
                write_private(folder / name, content.read())
