"""Fixtures of the conformance suite: the backends, and the one that a test runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from tests.support.servers import secret_backends
from tests.support.servers.moto_server import set_identity
from tests.support.servers.secret_backends import SecretBackend, ServerBackend

#: Backends with a server.
SERVERS: Final = ("vault", "memory-vault", "aws")
#: All backends. A ``.env`` file has no versions, denials or outages.
ALL: Final = (*SERVERS, "dotenv")


@pytest.fixture(params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServerBackend]:
    """Yield the application's client on each server in turn."""
    with _open(request, tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture(params=ALL)
def backend(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretBackend]:
    """Yield the application's client on each backend in turn."""
    is_file = request.param == "dotenv"
    opening = secret_backends.dotenv(tmp_path) if is_file else _open(request, tmp_path, monkeypatch)
    with opening as opened:
        yield opened


def _open(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AbstractContextManager[ServerBackend]:
    if request.param == "vault":
        return secret_backends.real_vault(request.getfixturevalue("real_vault_server"), folder)
    if request.param == "memory-vault":
        return secret_backends.memory_vault(folder)
    # Before the identity of this test, whose end would take away that of the test run.
    site = request.getfixturevalue("aws_site")
    set_identity(monkeypatch)
    return secret_backends.aws(site, folder)
