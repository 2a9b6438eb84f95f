"""Container engine: checks, the client, and the state and files of a container."""

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

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from local.files import ensure_private_folder
from local.runtime_interface import StartFailed

try:
    import docker
    from docker.errors import DockerException
except ModuleNotFoundError:
    raise ConfigurationError(
        "docker is not installed; install the tool with its extra: strongroom[local]"
    ) from None

MAX_FILE_BYTES: Final = 64 * 2**20  # a larger file is not copied out of a container
TAIL_LINES: Final = 20  # of a log, in an error
USE_EMBEDDED: Final = (
    "or use the runtime without containers: STRONGROOM_RUNTIME=embedded strongroom up"
)


class NoEngine(ConfigurationError):
    """A container engine that is unreachable, or that lacks docker compose or an image."""


def require_engine() -> None:
    """Check that a container engine and ``docker compose`` are available."""
    # Use the command, because the library leaks its socket when the engine is unreachable.
    if shutil.which("docker") is None:
        raise NoEngine(
            f"the command docker is not installed; install it, with compose, {USE_EMBEDDED}"
        )
    if not _succeeds("docker", "version"):
        raise NoEngine(_unreachable())
    if not _succeeds("docker", "compose", "version"):
        raise NoEngine(f"docker has no command compose; install that plug-in, {USE_EMBEDDED}")


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run_compose(
    title: str, *arguments: str, folder: Path | None = None, variables: Mapping[str, str] = {}
) -> None:
    """Run ``docker compose`` and hide its output."""
    done = subprocess.run(
        ["docker", "compose", *arguments],  # noqa: S607 (the user's own)
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-TAIL_LINES:])
        raise StartFailed(title, f"exit code {done.returncode}", tail)


@contextmanager
def open_engine() -> Iterator[Any]:
    """Open a client of the engine, and close it at the end."""
    try:
        engine = docker.from_env()
    except DockerException:
        raise NoEngine(_unreachable()) from None
    with closing(engine):
        yield engine


def _unreachable() -> str:
    where = os.environ.get("DOCKER_HOST", "the default socket")
    return f"no container engine is reachable at {where}; start one, {USE_EMBEDDED}"


def is_healthy(state: Mapping[str, Any]) -> bool:
    """Return whether the container in *state* is running and its health check does not fail."""
    return bool(state["Running"]) and state.get("Health", {}).get("Status") != "unhealthy"


def failure_reason(container: Any) -> str:
    """Return why *container* failed, or an empty text if it is healthy or exited with code 0."""
    state = container.attrs["State"]
    if not state["Running"] and state["ExitCode"]:
        return f"exit code {state['ExitCode']}"
    return "" if not state["Running"] or is_healthy(state) else "it is unhealthy"


def log_tail(container: Any) -> str:
    """Return the last lines that *container* printed."""
    text: str = container.logs(tail=TAIL_LINES).decode(errors="replace").strip()
    return text


def unpack(archive: bytes, folder: Path) -> None:
    """Extract the folders and regular files of a tar archive below *folder*, readable by us only.

    Links and devices, names that lead out of *folder*, and files over 64 MiB are skipped.
    """
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or member.size > MAX_FILE_BYTES:
                continue
            if member.isdir():
                ensure_private_folder(folder / name)
            elif member.isfile() and (content := tar.extractfile(member)):
                write_private(folder / name, content.read())
