"""Server in memory for one test, without a folder of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError, ServerError
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from tests.support.servers.server_program import server_program

ROOT_TOKEN = "root"
AUTHORITY = "vault-ca.pem"
_START = 20.0  # seconds


@contextmanager
def dev_server(certificates: Path | None = None) -> Iterator[str]:
    """Run a server with :data:`ROOT_TOKEN` and nothing mounted at ``secret``; yield its address."""
    address = f"127.0.0.1:{free_ports(2)[0]}"
    options = [f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address={address}"]
    if certificates is not None:
        options += ["-dev-tls", f"-dev-tls-cert-dir={certificates}"]
    command = (str(server_program()), "server", "-dev", *options)
    url = f"{'http' if certificates is None else 'https'}://{address}"
    with TemporaryDirectory() as home:  # because the server writes its token there
        process = subprocess.Popen(
            command, env={"HOME": home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait(url, certificates)
            yield url
        finally:
            process.terminate()
            process.wait(_START)


def root(address: str, certificates: Path | None = None) -> Session:
    """Return a session with all rights on a :func:`dev_server`."""
    authority = certificates / AUTHORITY if certificates else None
    return Session(address, StaticToken(Secret(ROOT_TOKEN)), cacert=authority)


def _wait(address: str, certificates: Path | None) -> None:
    """Wait until the server is ready, and delete its KV mount, so that it is like a new server."""
    deadline = time.monotonic() + _START
    while True:
        try:
            with root(address, certificates) as session:
                session.delete("sys/mounts/secret")
        except (ServerError, ConfigurationError):  # the latter until the CA's file is written
            if time.monotonic() > deadline:
                raise
        else:
            return
