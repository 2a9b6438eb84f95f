"""A server in memory for one test: no folder of its own, gone when it stops."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from app_integration.errors import ServerError
from app_integration.login import GivenToken
from app_integration.secret import Secret
from app_integration.session import Session
from tests.deployment import two_free_ports
from vault.runtime import binaries

ROOT_TOKEN = "root"
_START = 20.0  # seconds


@contextmanager
def dev_server() -> Iterator[str]:
    """The address of a server with :data:`ROOT_TOKEN`, and nothing mounted at ``secret``."""
    address = f"127.0.0.1:{two_free_ports()}"
    options = (f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address={address}")
    command = (str(binaries.openbao()), "server", "-dev", *options)
    with TemporaryDirectory() as home:  # it leaves its token there
        process = subprocess.Popen(
            command, env={"HOME": home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with root(f"http://{address}") as session:
                _wait(session)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(_START)


def root(address: str) -> Session:
    """A session with all rights on a :func:`dev_server`."""
    return Session(address, GivenToken(Secret(ROOT_TOKEN)))


def _wait(session: Session) -> None:
    """Until it serves; then its own KV mount goes, so that it is as empty as a new server."""
    deadline = time.monotonic() + _START
    while True:
        try:
            session.delete("sys/mounts/secret")
        except ServerError:
            if time.monotonic() > deadline:
                raise
        else:
            return
