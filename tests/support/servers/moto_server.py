"""moto's server of AWS services, in a process of its own, for real boto3 clients over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3
import pytest

from app_integration.aws.connection import AwsConnection
from app_integration.settings import Limits
from app_integration.testing.ports import free_ports
from tests.support.polling import wait_until

REGION: Final = "eu-central-1"
#: An identity for clients; moto accepts any. The session token makes it look like that of a role.
IDENTITY: Final = {
    "AWS_ACCESS_KEY_ID": "AKIATESTS",
    "AWS_SECRET_ACCESS_KEY": "not-a-key",
    "AWS_SESSION_TOKEN": "not-a-token",
    "AWS_REGION": REGION,
}
_START: Final = 30.0  # seconds


def set_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set :data:`IDENTITY`, and no other variable of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)


@dataclass(frozen=True)
class MotoServer:
    url: str

    def reset(self) -> None:
        self._post("reset", "")

    @contextmanager
    def enforcing_iam(self) -> Iterator[None]:
        """Check signatures, actions and denials during the block.

        Of a resource moto grants only ``*``, and it ignores conditions.
        """
        self._post("reset-auth", "0")
        try:
            yield
        finally:
            self._post("reset-auth", "inf")

    def _post(self, endpoint: str, body: str) -> None:
        url = f"{self.url}/moto-api/{endpoint}"
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(url, body.encode(), headers, method="POST")  # noqa: S310 (http)
        urllib.request.urlopen(request, timeout=_START).close()  # noqa: S310

    def client(self, service: str) -> Any:
        """Return a client of *service* with all rights."""
        return boto3.session.Session(
            aws_access_key_id="operator", aws_secret_access_key="operator", region_name=REGION
        ).client(service, endpoint_url=self.url)

    def connection(self, limits: Limits | None = None) -> AwsConnection:
        """Return the SDK's connection to the server; its identity is from the environment."""
        return AwsConnection(REGION, development=True, endpoint=self.url, limits=limits)


@contextmanager
def moto_server() -> Iterator[MotoServer]:
    port = free_ports(1)[0]
    server = MotoServer(f"http://127.0.0.1:{port}")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _is_ready(server), "moto's server answers", _START)
        yield server
    finally:
        process.terminate()
        process.wait(_START)


def _is_ready(server: MotoServer) -> bool:
    try:
        server.reset()
    except OSError:
        return False
    return True
