"""Fingerprints of write-only values: equal ones match, and each guess is slow."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from app_integration.names import TRANSIT_MOUNT, Environment
from app_integration.secret import Secret
from vault.declare.server_names import FINGERPRINT_KEY
from vault.reconcile.resources.kv import metadata_path
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.write_only import AS_PROVIDED, DIFFERENT, WriteOnly

RECORD = Owner(Environment.DEV).entry("userpass", "ada")
PASSWORD = Secret("correct horse")


class Server:
    """A server with ownership metadata and the fingerprint key, which records each HMAC's input."""

    def __init__(self) -> None:
        self.metadata: dict[str, str] = {}
        self.hmac_inputs: list[bytes] = []

    def get(self, path: str) -> dict[str, Any]:
        assert path == metadata_path("_strongroom/dev/userpass/ada")
        return {"data": {"custom_metadata": self.metadata}}

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        assert path == f"{TRANSIT_MOUNT}/hmac/{FINGERPRINT_KEY}"
        value = base64.b64decode((body or {})["input"])
        self.hmac_inputs.append(value)
        return {"data": {"hmac": f"vault:v1:{hashlib.sha256(value).hexdigest()}"}}


@pytest.fixture
def server() -> Server:
    return Server()


def read(server: Server, value: Secret, *, low_entropy: bool = True) -> str:
    found: str = WriteOnly(RECORD, value, low_entropy=low_entropy).read(server)["password"]  # type: ignore[arg-type] # a fake
    return found


def store(server: Server, value: Secret, *, low_entropy: bool = True) -> str:
    server.metadata = WriteOnly(RECORD, value, low_entropy=low_entropy).fingerprint_metadata(server)  # type: ignore[arg-type] # a fake
    return server.metadata["password_hmac"]


@pytest.mark.parametrize("low_entropy", [True, False])
def test_fingerprint_matches_only_the_same_value(server: Server, low_entropy: bool) -> None:
    store(server, PASSWORD, low_entropy=low_entropy)
    assert read(server, PASSWORD, low_entropy=low_entropy) == AS_PROVIDED
    assert read(server, Secret("correct horse "), low_entropy=low_entropy) == DIFFERENT


def test_low_entropy_value_is_stretched_for_each_guess(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[int] = []
    scrypt = hashlib.scrypt

    def counted(password: bytes, **cost: Any) -> bytes:
        costs.append(cost["n"] * cost["r"] * cost["p"])
        return scrypt(password, **cost)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    store(server, PASSWORD)
    for guess in ("a", "b", "c"):
        assert read(server, Secret(guess)) == DIFFERENT
    assert costs == [2**18] * 4  # 32 MiB each
    assert PASSWORD.reveal().encode() not in server.hmac_inputs


def test_fingerprint_of_the_same_password_is_salted(server: Server) -> None:
    assert store(server, PASSWORD) != store(server, PASSWORD)


def test_fingerprint_without_salt_does_not_match(server: Server) -> None:
    store(server, PASSWORD, low_entropy=False)
    assert read(server, PASSWORD) == DIFFERENT


def test_read_without_value_sends_no_request(server: Server) -> None:
    assert WriteOnly(RECORD, None, low_entropy=True).read(server) == {}  # type: ignore[arg-type] # a fake
    assert server.hmac_inputs == []
