"""Server in memory for one test, without a folder of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError, ServerError
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits
from app_integration.testing.ports import free_ports
from tests.support.polling import wait_until
from tests.support.servers.server_program import server_program

ROOT_TOKEN = "root"
AUTHORITY = "vault-ca.pem"
_START = 20.0  # seconds


@contextmanager
def started_server(
    home: Path, certificates: Path | None, *options: str, log: Any = subprocess.DEVNULL
) -> Iterator[tuple[str, int]]:
    """Start a server with :data:`ROOT_TOKEN`; yield its address and process id, and stop it."""
    address = f"127.0.0.1:{free_ports(2)[0]}"
    tls = () if certificates is None else ("-dev-tls", f"-dev-tls-cert-dir={certificates}")
    command = [str(server_program()), "server", "-dev", f"-dev-listen-address={address}", *tls]
    process = subprocess.Popen(
        [*command, f"-dev-root-token-id={ROOT_TOKEN}", *options],
        env={"HOME": str(home)},  # because the server writes its token there
        stdout=log,
        stderr=log,
    )
    try:
        yield f"{'http' if certificates is None else 'https'}://{address}", process.pid
    finally:
        process.kill()  # because it has nothing to save, and would take half a second to end
        process.wait(_START)


@contextmanager
def dev_server(certificates: Path | None = None) -> Iterator[str]:
    """Run a server with nothing mounted at ``secret``, and yield its address."""
    with TemporaryDirectory() as home, started_server(Path(home), certificates) as (url, _):
        wait_until(lambda: _is_emptied(url, certificates), "a ready server", _START)
        yield url


def root(address: str, certificates: Path | None = None, limits: Limits | None = None) -> Session:
    """Return a session with all rights on a :func:`dev_server`."""
    authority = certificates / AUTHORITY if certificates else None
    return Session(address, StaticToken(Secret(ROOT_TOKEN)), cacert=authority, limits=limits)


def _is_emptied(address: str, certificates: Path | None) -> bool:
    """Return whether the server is ready, and now has no KV mount, as a new server has none."""
    try:
        with root(address, certificates, Limits(retry_window=0)) as session:
            session.delete("sys/mounts/secret")
    except (ServerError, ConfigurationError):  # the latter until the CA's file is written
        return False
    return True
