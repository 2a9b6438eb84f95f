"""Fixtures of the conformance suite: the backends, and the one that a test runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.servers import secret_backends
from tests.support.servers.moto_server import set_identity
from tests.support.servers.secret_backends import SecretBackend

#: Backends with a server.
SERVERS: Final = ("vault", "memory-vault", "aws")
#: All backends. A ``.env`` file has no versions, denials or outages.
ALL: Final = (*SERVERS, "dotenv")


@pytest.fixture(params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretBackend]:
    """Yield the application's client on each server in turn."""
    yield from _backend(request, tmp_path, monkeypatch)


@pytest.fixture(params=ALL)
def backend(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretBackend]:
    """Yield the application's client on each backend in turn."""
    yield from _backend(request, tmp_path, monkeypatch)


def _backend(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretBackend]:
    if request.param == "vault":
        opened = secret_backends.real_vault(request.getfixturevalue("real_vault_server"), folder)
    elif request.param == "memory-vault":
        opened = secret_backends.memory_vault(folder)
    elif request.param == "aws":
        set_identity(monkeypatch)
        opened = secret_backends.aws(request.getfixturevalue("aws_site"), folder)
    else:
        opened = secret_backends.dotenv(folder)
    with opened as backend:
        yield backend
