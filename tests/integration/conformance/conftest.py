"""Fixtures of the conformance suite: the backends, and the one that a test runs on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from app_integration.testing.dev_server import RealServer
from app_integration.testing.memory_vault import MemoryVault
from tests.support.servers import secret_backends
from tests.support.servers.api_calls import (
    Call,
    add_mounts,
    differences,
    memory_exchange,
    play,
    real_exchange,
)
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


@pytest.fixture
def compare(real_vault_server: RealServer) -> Callable[[list[Call]], list[object]]:
    """Return what plays calls on new mounts of both servers and returns the calls that differ.

    In the calls ``<kv>``, ``<transit>`` and ``<approle>`` stand for the mounts, and ``<n>`` for a
    name that no other test uses.
    """
    name = f"n{secrets.token_hex(6)}"
    mounts = {each: f"{each}-{name}" for each in ("kv", "transit", "approle")}
    memory = MemoryVault(audit_devices=())
    token = memory.tokens.issue("token", ("root",), ttl=float("inf"), renewable=False)
    known = {"n": name, **mounts}

    def both(calls: list[Call]) -> list[object]:
        ours = {**known, "root": token.value}
        theirs = {**known, "root": real_vault_server.root_token}
        sides = [(memory_exchange(memory), ours), (real_exchange(real_vault_server), theirs)]
        for exchange, values in sides:
            add_mounts(exchange, values)
        outcomes = [play(calls, exchange, values) for exchange, values in sides]
        return [*differences(calls, outcomes[0], outcomes[1])]

    return both
